// Keeps the wallet's own files, so that it opens without a network. One cache for each version of them: a page always
// runs with the files it was shipped with. VERSION is the hash of those files; a test says when it has to change.

const VERSION = 'bfee36c86beba724';
const NAME = `wallet-${VERSION}`;
const FILES = [
  './', 'wallet.css', 'icon.svg', 'manifest.webmanifest',
  'js/app.js', 'js/bytes.js', 'js/cbor.js', 'js/channel.js', 'js/claims.js', 'js/dialog.js', 'js/frames.js',
  'js/gatt.js', 'js/json.js', 'js/messages.js', 'js/present.js', 'js/proof.js', 'js/reasons.js', 'js/ticket.js',
  'js/vault.js', 'js/view.js', 'js/words-de.js', 'js/words-en.js', 'js/words.js',
];
const ours = new Set(FILES.map((file) => new URL(file, self.registration.scope).href));

self.addEventListener('install', (event) => {
  const fresh = FILES.map((file) => new Request(file, { cache: 'reload' }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(fresh)));
});

self.addEventListener('activate', (event) => {
  const drop = async () => {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name.startsWith('wallet-') && name !== NAME).map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(drop());
});

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  url.hash = url.search = '';
  const page = event.request.mode === 'navigate' && url.href.replace(/index\.html$/, '') === self.registration.scope;
  const wanted = page ? self.registration.scope : url.href;
  if (event.request.method !== 'GET' || !ours.has(wanted)) return;
  const answer = async () => (await (await caches.open(NAME)).match(wanted)) ?? fetch(event.request);
  event.respondWith(answer());
});
