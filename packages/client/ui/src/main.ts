import '@fontsource-variable/vazirmatn/wght.css';
import { mount } from 'svelte';
import './theme.css';
import App from './app.svelte';
import { model } from './lib/model.svelte.ts';

async function main(): Promise<void> {
  const target = document.getElementById('app');
  if (target === null) return;
  await model.start();
  mount(App, { target });
}

void main();
