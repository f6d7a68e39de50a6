"use strict";

const shown = 12;
const by = (id) => document.getElementById(id);
const euros = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" });

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;  // never as HTML: names and texts are data
  return made;
}

function row(product) {
  const link = element("a", "", product.name);
  link.href = `/products/${product.id}`;
  const name = element("span", "", "");
  name.append(link);
  const item = document.createElement("li");
  item.append(
    name,
    element("span", "price", euros.format(Number(product.price))),
    element("span", "quiet", product.description),
  );
  return item;
}

let newest = 0;

async function list() {
  const mine = ++newest;
  const query = new URLSearchParams(new FormData(by("search")));
  for (const [name, value] of [...query]) if (!value) query.delete(name);
  const path = query.size ? `/products?${query}` : "/products";
  try {
    const response = await fetch(path);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    const products = await response.json();
    if (mine !== newest) return;  // somebody typed on: a later answer will follow
    by("products").replaceChildren(...products.slice(0, shown).map(row));
    by("found").textContent = products.length > shown
      ? `${shown} of ${products.length} shown`
      : `${products.length} found`;
    tellTransfer(path);
  } catch (error) {
    if (mine === newest) by("found").textContent = `The list could not be loaded: ${error.message}`;
  }
}

function tellTransfer(path) {
  const url = new URL(path, location.href).href;
  const entry = performance.getEntriesByName(url).at(-1);
  if (!entry || !entry.encodedBodySize) return;
  const kilobytes = (size) => `${(size / 1000).toFixed(1)} kB`;
  by("transfer").textContent = entry.encodedBodySize < entry.decodedBodySize
    ? `This list came compressed: ${kilobytes(entry.encodedBodySize)} for ${kilobytes(entry.decodedBodySize)}.`
    : `This list came uncompressed: ${kilobytes(entry.decodedBodySize)}.`;
}

function listen() {
  const source = new EventSource("/events?count=5&interval=0.5");
  source.onmessage = ({ data }) => {
    const { number, sent } = JSON.parse(data);
    const late = Math.max(0, Date.now() - sent * 1000);
    by("news").textContent = `event ${number}, ${late.toFixed(0)} ms after it was sent`;
    if (number === 5) source.close();  // else the browser connects again
  };
  source.onerror = () => source.close();
}

function call() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/echo`);
  socket.onopen = () => socket.send(`hello at ${new Date().toLocaleTimeString()}`);
  socket.onmessage = ({ data }) => {
    by("reply").textContent = `“${data}” came back`;
    socket.close();
  };
  socket.onerror = () => { by("reply").textContent = "no answer"; };
}

async function showAccount() {
  const response = await fetch("/account");
  by("account").hidden = !response.ok;  // the shop runs without sessions, too
  if (!response.ok) return;
  const { user } = await response.json();
  by("who").textContent = user === null ? "" : `You are logged in as ${user}.`;
  by("name").hidden = by("enter").hidden = user !== null;
  by("leave").hidden = user === null;
  by("name").querySelector("input").disabled = user !== null;
}

async function logIn(event) {
  event.preventDefault();
  const body = JSON.stringify(Object.fromEntries(new FormData(by("account"))));
  await fetch("/login", { method: "POST", headers: { "content-type": "application/json" }, body });
  await showAccount();
}

async function logOut() {
  await fetch("/logout", { method: "POST" });
  await showAccount();
}

by("account").addEventListener("submit", logIn);
by("leave").addEventListener("click", logOut);
showAccount();
by("search").addEventListener("input", list);
by("search").addEventListener("submit", (event) => { event.preventDefault(); list(); });
by("listen").addEventListener("click", listen);
by("call").addEventListener("click", call);
list();
