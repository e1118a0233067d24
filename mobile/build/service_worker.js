/* global APP, VERSION, FILES */
// The app without a network. Its own files only: nothing of the API is ever kept here.
const CACHE = `${APP}-${VERSION}`;
const PAGE = `/${APP}/index.html`;

self.addEventListener('install', (event) => {
  // `reload`: past the browser's cache, so that no old page is kept with new scripts.
  const files = FILES.map((file) => new Request(file, { cache: 'reload' }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(files)));
});

self.addEventListener('activate', (event) => {
  const old = (name) => name.startsWith(`${APP}-`) && name !== CACHE;
  const clean = caches.keys().then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))));
  event.waitUntil(clean.then(() => self.clients.claim()));
});

// A new version waits until the person says so: nothing changes under their hands.
self.addEventListener('message', (event) => {
  if (event.data === 'activate') self.skipWaiting();
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  const isPage = request.mode === 'navigate' && url.pathname === `/${APP}/`;
  const file = isPage ? PAGE : url.pathname;
  if (!isPage && !FILES.includes(file)) return;
  const kept = caches.open(CACHE).then((cache) => cache.match(file));
  event.respondWith(kept.then((answer) => answer ?? fetch(request)));
});
