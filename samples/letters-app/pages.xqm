(:~ The pages of the edition. Addresses in them begin at the root of the site, where visitors see what lies below /letters here. :)
module namespace pages = 'https://lab.test/ns/letters/pages';

import module namespace edition = 'https://lab.test/ns/letters/edition' at 'edition.xqm';
import module namespace words = 'https://lab.test/ns/letters/words' at 'words.xqm';

declare
  %rest:GET
  %rest:path('/letters')
  %rest:query-param('lang', '{$lang}')
  %rest:query-param('person', '{$person}')
  %rest:query-param('language', '{$language}')
  %rest:query-param('year', '{$year}')
  %rest:header-param('Accept-Language', '{$accept}')
  %output:method('html') %output:indent('no') %output:include-content-type('no')
function pages:list(
  $lang as xs:string*, $accept as xs:string*, $person as xs:string*, $language as xs:string*, $year as xs:string*
) {
  let $in := words:language($lang, $accept)
  let $person := string($person[1]), $language := string($language[1]), $year := string($year[1])
  let $letters := edition:chosen($person, $language, $year)
  return pages:shell($in, '', '/', (
    <div class="opening">
      <h1>{ words:say($in, 'title') }</h1>
      <p class="subtitle">{ words:say($in, 'subtitle') }</p>
      <p class="about">{ words:say($in, 'about') }</p>
    </div>,
    pages:choice($in, $person, $language, $year),
    <p class="count" role="status">{ words:say($in, 'found', count($letters)) }</p>,
    if (empty($letters)) then <p class="nothing">{ words:say($in, 'none') }</p> else
    for $letter in $letters ! edition:summary(.)
    group by $of := substring($letter?date, 1, 4)
    order by $of
    return
      <section class="year" aria-labelledby="y{ $of }">
        <h2 id="y{ $of }">{ $of }</h2>
        <ol>{ $letter ! pages:entry($in, ., <p class="begins" lang="{ ?language }">{ ?begins }</p>, ()) }</ol>
      </section>
  ))
};

declare
  %rest:GET
  %rest:path('/letters/search')
  %rest:query-param('lang', '{$lang}')
  %rest:query-param('q', '{$q}')
  %rest:header-param('Accept-Language', '{$accept}')
  %output:method('html') %output:indent('no') %output:include-content-type('no')
function pages:search($lang as xs:string*, $accept as xs:string*, $q as xs:string*) {
  let $in := words:language($lang, $accept)
  let $question := substring(normalize-space($q[1]), 1, $edition:longest)
  let $found := edition:search($question)
  return pages:shell($in, $question, '/search?q=' || encode-for-uri($question) || '&amp;', (
    <h1 class="small">{
      if ($question) then words:say($in, 'found', count($found)) || words:say($in, 'for', $question)
      else words:say($in, 'search-in')
    }</h1>,
    <p class="hint">{ words:say($in, 'search-hint') }</p>,
    if ($question and empty($found)) then <p class="nothing">{ words:say($in, 'nothing') }</p> else
    <ol class="found">{
      for $hit in $found
      let $letter := edition:summary($hit?letter)
      return pages:entry($in, $letter,
        $hit?passages ! <blockquote lang="{ $letter?language }"><p>{ pages:passage(node()) }</p></blockquote>, $question)
    }</ol>
  ))
};

(: Declared to transform: xslt:transform needs a user with more rights than the others have. :)
declare
  %rest:GET
  %rest:path('/letters/letter/{$id}')
  %rest:query-param('lang', '{$lang}')
  %rest:query-param('q', '{$q}')
  %rest:header-param('Accept-Language', '{$accept}')
  %output:method('html') %output:indent('no') %output:include-content-type('no')
function pages:letter($id as xs:string, $lang as xs:string*, $accept as xs:string*, $q as xs:string*) {
  let $in := words:language($lang, $accept)
  let $question := normalize-space($q[1])
  let $letter := edition:letter($id)
  return if (empty($letter)) then pages:lost($in) else
  (: Read here, since Saxon may read no files; by its whole address, since a name alone could be a database's. :)
  let $page := xslt:transform(edition:marked($letter, $question), doc(resolve-uri('letter.xsl')), map { 'in': $in })
  let $kept := if ($question) then 'q=' || encode-for-uri($question) || '&amp;' else ''
  return pages:shell($in, $question, '/letter/' || $id || '?' || $kept, (
    $page,
    <p class="files">
      <a href="/tei/{ $id }.xml">{ words:say($in, 'source') }</a>{ ' ' }
      <a href="/api/letters/{ $id }">{ words:say($in, 'api') }</a>
    </p>,
    <nav class="beside" aria-label="{ words:say($in, 'neighbours') }">{
      let $beside := edition:neighbours($letter)
      for $way in ('before', 'after')
      for $other in $beside($way) ! edition:summary(.)
      return
        <a class="{ $way }" rel="{ if ($way = 'before') then 'prev' else 'next' }" href="/letter/{ $other?id }?lang={ $in }">
          <span>{ words:say($in, $way) }</span>{ ' ' }
          <strong>{ $other?from?name }, <time datetime="{ $other?date }" lang="{ $other?language }">{ $other?day }</time></strong>
        </a>
    }</nav>
  ))
};

(: Whatever else is asked for. :)
declare
  %rest:GET
  %rest:path('/letters/{$path=.+}')
  %rest:query-param('lang', '{$lang}')
  %rest:header-param('Accept-Language', '{$accept}')
  %output:method('html') %output:indent('no') %output:include-content-type('no')
function pages:anything($path as xs:string, $lang as xs:string*, $accept as xs:string*) {
  pages:lost(words:language($lang, $accept))
};

declare %private function pages:lost($in as xs:string) {
  web:response-header(map { 'media-type': 'text/html; charset=utf-8' }, map { }, map { 'status': 404 }),
  pages:shell($in, '', '/', (
    <h1 class="small">{ words:say($in, 'lost') }</h1>,
    <p class="nothing">{ words:say($in, 'lost-more') }<a href="/?lang={ $in }">{ words:say($in, 'back') }</a></p>
  ))
};

(:~ The page around the contents. `here` is its address, up to where lang= is added. :)
declare %private function pages:shell($in as xs:string, $question as xs:string, $here as xs:string, $contents as node()*) {
  let $other := if ($in = 'fr') then 'en' else 'fr'
  let $there := $here || '?'[not(contains($here, '?'))] || 'lang=' || $other
  return
  <html lang="{ $in }">
    <head>
      <meta charset="utf-8"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <title>{ string-join(distinct-values(($contents/descendant-or-self::h1[1] ! normalize-space(.), words:say($in, 'title'))), ' · ') }</title>
      <meta name="description" content="{ words:say($in, 'subtitle') }"/>
      <link rel="icon" type="image/svg+xml" href="/mark.svg"/>
      <link rel="stylesheet" href="/style.css"/>
      <link rel="alternate" hreflang="{ $other }" href="{ $there }"/>
    </head>
    <body>
      <a class="skip" href="#main">{ words:say($in, 'skip') }</a>
      <header>
        <p class="name"><a href="/?lang={ $in }"><img src="/mark.svg" alt="" width="28" height="28"/>{ words:say($in, 'title') }</a></p>
        <form role="search" action="/search">
          <label class="unseen" for="q">{ words:say($in, 'search-in') }</label>
          <input id="q" name="q" type="search" value="{ $question }" maxlength="{ $edition:longest }"/>
          <input name="lang" type="hidden" value="{ $in }"/>
          <button>{ words:say($in, 'search') }</button>
        </form>
        <p class="tongue"><a href="{ $there }" lang="{ $other }" hreflang="{ $other }">{ words:say($in, 'other') }</a></p>
      </header>
      <main id="main">{ $contents }</main>
      <footer>
        <p>{ words:say($in, 'colophon') }</p>
        <p><a href="/?lang={ $in }">{ words:say($in, 'all') }</a>{ ' ' }<a href="/api/letters">{ words:say($in, 'api') }</a></p>
      </footer>
    </body>
  </html>
};

declare %private function pages:choice($in as xs:string, $person as xs:string, $language as xs:string, $year as xs:string) {
  let $letters := edition:letters()
  return
  <form class="choice" action="/">
    { pages:select($in, 'person', $person, 'any', edition:persons($letters) ! map { 'value': ?id, 'shown': ?name }) }
    { pages:select($in, 'language', $language, 'any-f', ('fr', 'en') ! map { 'value': ., 'shown': words:say($in, .) }) }
    { pages:select($in, 'year', $year, 'any-f', edition:years($letters) ! map { 'value': ., 'shown': . }) }
    <input name="lang" type="hidden" value="{ $in }"/>
    <button>{ words:say($in, 'choose') }</button>
  </form>
};

declare %private function pages:select(
  $in as xs:string, $name as xs:string, $chosen as xs:string, $any as xs:string, $options as map(*)*
) {
  <p>
    <label for="{ $name }">{ words:say($in, $name) }</label>
    <select id="{ $name }" name="{ $name }">
      <option value="">{ words:say($in, $any) }</option>
      { $options ! <option value="{ ?value }">{ if (?value = $chosen) then attribute selected { } else () }{ ?shown }</option> }
    </select>
  </p>
};

declare %private function pages:entry($in as xs:string, $letter as map(*), $more as node()*, $question as xs:string?) {
  <li>
    <p class="when"><time datetime="{ $letter?date }" lang="{ $letter?language }">{ $letter?day }</time>{ ' ' }<span>{ $letter?place }</span></p>
    <div>
      <h3><a href="/letter/{ $letter?id }?{ if ($question) then 'q=' || encode-for-uri($question) || '&amp;' else '' }lang={ $in }">{
        $letter?from?name, words:say($in, 'to'), $letter?to?name }</a>{ ' ' }<span class="label">{ words:say($in, $letter?language) }</span></h3>
      { $more }
    </div>
  </li>
};

(: The running text of a passage, of whose elements only the marks are left. :)
declare %private function pages:passage($nodes as node()*) as node()* {
  for $node in $nodes
  return
    if ($node/self::*:mark) then <mark>{ string($node) }</mark>
    else if ($node/self::*) then pages:passage($node/node())
    else $node
};
