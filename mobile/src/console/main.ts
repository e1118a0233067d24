import '../lib/ui/theme.css';
import './console.css';

import { mount } from 'svelte';

import { looks } from '../lib/i18n/locale.svelte';
import App from './App.svelte';
import { w } from './words';

looks.title = () => w().app;
looks.apply();
const target = document.getElementById('app');
if (!target) throw new Error('the page has no place for the app');
mount(App, { target });
