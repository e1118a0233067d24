import { spoken } from './locale.svelte';

const zh: Record<string, string> = {
  over_18: '是否年满 18 岁',
  over_16: '是否年满 16 岁',
  over_14: '是否年满 14 岁',
  name: '姓名',
  masked_name: '姓氏（名隐去）',
  sex: '性别',
  ethnicity: '民族',
  birth_date: '出生日期',
  address: '住址',
  document_number: '公民身份号码',
  masked_number: '公民身份号码（大部分隐去）',
  portrait: '证件照片',
};

const en: Record<string, string> = {
  over_18: 'Whether you are over 18',
  over_16: 'Whether you are over 16',
  over_14: 'Whether you are over 14',
  name: 'Name',
  masked_name: 'Family name, the rest hidden',
  sex: 'Sex',
  ethnicity: 'Ethnicity',
  birth_date: 'Date of birth',
  address: 'Address',
  document_number: 'Citizen number',
  masked_number: 'Citizen number, mostly hidden',
  portrait: 'Picture on the card',
};

/** What people call each attribute. */
export const attributes = (): Record<string, string> => spoken({ zh, en });

/** What people call an attribute; one that came after this app goes by its own name. */
export function attribute(name: string): string {
  return attributes()[name] ?? name;
}
