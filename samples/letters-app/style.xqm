(:~ How the pages look. In a module, since a user who may only read databases may read no files. :)
module namespace style = 'https://lab.test/ns/letters/style';

declare %private variable $style:day := map { 'Cache-Control': 'public, max-age=86400' };

declare
  %rest:GET
  %rest:path('/letters/style.css')
  %output:method('text')
function style:sheet() {
  web:response-header(map { 'media-type': 'text/css; charset=utf-8' }, $style:day),
  $style:sheet
};

(: A fern: the sign of the edition. :)
declare
  %rest:GET
  %rest:path('/letters/mark.svg')
  %output:method('xml') %output:indent('no')
function style:mark() {
  web:response-header(map { 'media-type': 'image/svg+xml' }, $style:day),
  let $steps := 9
  return
  <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
    <style>path {{ fill: none; stroke: #3d6b4f; stroke-linecap: round }} ellipse {{ fill: #3d6b4f }}
      @media (prefers-color-scheme: dark) {{ path {{ stroke: #9cc7a8 }} ellipse {{ fill: #9cc7a8 }} }}</style>
    <path d="M32 62 C31 44 31 24 34 4" stroke-width="2"/>
    {
      for $step in 1 to $steps
      let $y := 56 - $step * 5.4
      let $x := 31.5 + 0.025 * $step * $step
      let $size := 13.5 - 1.25 * $step
      for $side in (-1, 1)
      return <ellipse cx="{ $x + $side * ($size * 0.78) }" cy="{ $y }" rx="{ $size * 0.8 }" ry="{ 1.2 + $size * 0.14 }"
                      transform="rotate({ $side * -28 } { $x } { $y + 1 })"/>
    }
  </svg>
};

declare %private variable $style:sheet := ``[
:root {
  color-scheme: light dark;
  --paper: #f8f5ec;
  --sheet: #fffdf7;
  --ink: #24271f;
  --faded: #5c6152;
  --rule: #d9d3c0;
  --leaf: #2f5d43;
  --mark: #f6e39a;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", "URW Palladio L", Georgia, serif;
  --sans: -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", "DejaVu Sans", system-ui, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #171a16;
    --sheet: #1e221c;
    --ink: #e7e4d8;
    --faded: #a9ad9f;
    --rule: #3a4036;
    --leaf: #9cc7a8;
    --mark: #5d5116;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { font-size: clamp(1.05rem, 0.98rem + 0.3vw, 1.2rem); text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  max-width: 64rem;
  margin: 0 auto;
  padding: 0 clamp(1.1rem, 4vw, 3rem);
  background: var(--paper);
  color: var(--ink);
  font-family: var(--serif);
  line-height: 1.6;
}
a { color: var(--leaf); text-decoration-thickness: 0.06em; text-underline-offset: 0.2em; }
a:hover { text-decoration-thickness: 0.14em; }
:focus-visible { outline: 0.15rem solid var(--leaf); outline-offset: 0.2rem; border-radius: 0.1rem; }
mark { padding: 0 0.15em; border-radius: 0.15em; background: var(--mark); color: inherit; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 0.5rem; padding: 0.3rem 0.8rem; background: var(--sheet); }

/* Around the contents */
body > header {
  display: flex;
  flex-wrap: wrap;
  gap: 0.6rem 1.6rem;
  align-items: center;
  padding-block: 1.1rem;
  border-bottom: 1px solid var(--rule);
  font-family: var(--sans);
  font-size: 0.84rem;
}
body > header p { margin: 0; }
.name { margin-right: auto !important; font-weight: 650; }
.name a { display: flex; gap: 0.5rem; align-items: center; color: inherit; text-decoration: none; }
form { display: flex; flex-wrap: wrap; gap: 0.5rem; }
input, select, button {
  padding: 0.4rem 0.7rem;
  border: 1px solid var(--rule);
  border-radius: 0.3rem;
  background: var(--sheet);
  color: inherit;
  font: inherit;
}
button { border-color: var(--leaf); background: var(--leaf); color: var(--paper); font-weight: 600; cursor: pointer; }
[type="search"] { width: min(14rem, 52vw); }
footer {
  display: flex;
  flex-wrap: wrap;
  gap: 0.3rem 2rem;
  justify-content: space-between;
  margin-top: 4rem;
  padding-block: 1.2rem 2.5rem;
  border-top: 1px solid var(--rule);
  color: var(--faded);
  font-family: var(--sans);
  font-size: 0.8rem;
}
footer p { margin: 0; }
footer a { margin-left: 1rem; }
footer a:first-child { margin-left: 0; }

/* Heads */
.opening { padding-block: clamp(2.2rem, 7vw, 4.5rem) clamp(1.4rem, 4vw, 2.4rem); }
h1 {
  max-width: 16ch;
  margin: 0 0 0.8rem;
  font-size: clamp(2.1rem, 1.4rem + 3.4vw, 3.7rem);
  font-weight: 500;
  line-height: 1.08;
  letter-spacing: -0.015em;
  text-wrap: balance;
}
h1.small, .letter h1 { max-width: none; margin-top: 2.6rem; font-size: clamp(1.5rem, 1.2rem + 1.4vw, 2.2rem); }
.letter h1 span { color: var(--faded); font-style: italic; }
.subtitle { margin: 0 0 1rem; color: var(--leaf); font-size: 1.25rem; font-style: italic; }
.about, .hint, .nothing { max-width: 38rem; margin: 0 0 1rem; color: var(--faded); }

/* Choosing */
.choice {
  gap: 0.8rem 1.4rem;
  align-items: end;
  padding: 1rem 1.2rem;
  border: 1px solid var(--rule);
  border-radius: 0.4rem;
  background: var(--sheet);
  font-family: var(--sans);
  font-size: 0.84rem;
}
.choice p { display: grid; gap: 0.2rem; margin: 0; }
.choice label { color: var(--faded); }
.count { margin: 1.4rem 0 0; color: var(--faded); font-family: var(--sans); font-size: 0.84rem; }

/* Lists of letters */
.year { display: grid; grid-template-columns: 6.5rem 1fr; border-top: 1px solid var(--rule); }
.count + .year { margin-top: 0.6rem; }
.year h2 { margin: 1.3rem 0 0; color: var(--leaf); font-size: 1.5rem; font-weight: 500; line-height: 1.2; }
ol { margin: 0; padding: 0; list-style: none; }
li { display: grid; grid-template-columns: 9.5rem 1fr; gap: 0 1.4rem; padding-block: 1.3rem; }
li + li { border-top: 1px solid var(--rule); }
.found { border-top: 1px solid var(--rule); }
.when { margin: 0.15rem 0 0; color: var(--faded); font-family: var(--sans); font-size: 0.8rem; }
.when span { display: block; }
h3 { margin: 0; font-size: 1.12rem; font-weight: 600; line-height: 1.4; }
.label {
  padding: 0.1rem 0.45rem;
  border: 1px solid var(--rule);
  border-radius: 1rem;
  color: var(--faded);
  font: 0.7rem/1.4 var(--sans);
  white-space: nowrap;
}
.begins { max-width: 38rem; margin: 0.25rem 0 0; color: var(--faded); }
blockquote { max-width: 38rem; margin: 0.6rem 0 0; padding-left: 1rem; border-left: 0.15rem solid var(--rule); }
blockquote p { margin: 0; }

/* One letter, like a sheet of a herbarium with its labels */
.sheet { display: grid; grid-template-columns: minmax(0, 1fr) 15rem; gap: 2.4rem; align-items: start; margin-top: 1.4rem; }
.text {
  padding: clamp(1.4rem, 4vw, 3.2rem);
  border: 1px solid var(--rule);
  background: var(--sheet);
  box-shadow: 0 0.1rem 0.6rem rgb(60 50 20 / 8%);
  hyphens: auto;
}
.text p { max-width: 34rem; margin: 0 auto 1.1rem; }
.text .p { text-indent: 1.4em; }
.text .dateline { color: var(--faded); font-style: italic; text-align: right; }
.text .signed { margin-bottom: 0; text-align: right; }
.text a { color: inherit; text-decoration-color: var(--leaf); text-decoration-style: dotted; }
aside { font-family: var(--sans); font-size: 0.8rem; line-height: 1.45; }
aside dl { margin: 0 0 1.4rem; padding: 0.9rem 1rem; border: 1px solid var(--rule); background: var(--sheet); }
aside dt { margin-top: 0.6rem; font-weight: 600; }
aside .title { margin: 0; color: var(--leaf); font: italic 1rem/1.4 var(--serif); }
aside dd { margin: 0; color: var(--faded); }
aside :target { background: var(--mark); }
.files { margin: 1rem 0 0; font-family: var(--sans); font-size: 0.8rem; }
.files a { margin-right: 1.2rem; }
.beside { display: flex; flex-wrap: wrap; gap: 1rem 2rem; justify-content: space-between; margin-top: 2.2rem; }
.beside a { max-width: 24rem; text-decoration: none; }
.beside a:hover strong { text-decoration: underline; }
.beside span { display: block; color: var(--faded); font-family: var(--sans); font-size: 0.8rem; }
.beside strong { font-weight: 500; }
.beside .before span::before { content: "← "; }
.beside .after { margin-left: auto; text-align: right; }
.beside .after span::after { content: " →"; }

@media (max-width: 48rem) {
  .sheet, .year, li { grid-template-columns: minmax(0, 1fr); }
  .year h2 + ol li:first-child { padding-top: 0.6rem; }
  .when span { display: inline; }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --sheet: #fff; --ink: #000; --faded: #333; }
  form, .skip, .tongue, .beside, .files { display: none; }
  .text { box-shadow: none; border: 0; }
}
]``;
