(:~ The edition as data: JSON, TEI, and a word on its health. :)
module namespace api = 'https://lab.test/ns/letters/api';

import module namespace edition = 'https://lab.test/ns/letters/edition' at 'edition.xqm';

declare
  %rest:GET
  %rest:path('/letters/api/letters')
  %rest:query-param('person', '{$person}')
  %rest:query-param('language', '{$language}')
  %rest:query-param('year', '{$year}')
  %output:method('json')
function api:letters($person as xs:string*, $language as xs:string*, $year as xs:string*) {
  array { edition:chosen(string($person[1]), string($language[1]), string($year[1])) ! edition:summary(.) }
};

declare
  %rest:GET
  %rest:path('/letters/api/letters/{$id}')
  %output:method('json')
function api:letter($id as xs:string) {
  let $letter := edition:letter($id)
  return if (exists($letter)) then edition:whole($letter) else api:wrong(404, 'there is no letter ' || $id)
};

declare
  %rest:GET
  %rest:path('/letters/api/search')
  %rest:query-param('q', '{$q}')
  %output:method('json')
function api:search($q as xs:string*) {
  let $question := normalize-space($q[1])
  return if (not($question)) then api:wrong(400, 'q is empty: /api/search?q=word') else
  array {
    for $hit in edition:search($question)
    return map:merge((edition:summary($hit?letter), map { 'passages': array { $hit?passages ! api:marked(.) } }))
  }
};

declare
  %rest:GET
  %rest:path('/letters/api/{$path=.+}')
  %output:method('json')
function api:anything($path as xs:string) {
  api:wrong(404, 'there are /api/letters, /api/letters/ID and /api/search?q=')
};

declare
  %rest:GET
  %rest:path('/letters/tei/{$file}')
  %output:method('xml') %output:media-type('application/tei+xml') %output:omit-xml-declaration('no') %output:indent('no')
function api:tei($file as xs:string) {
  let $letter := edition:letter(replace($file, '\.xml$', ''))
  return if (exists($letter)) then $letter else web:error(404, 'There is no such letter.')
};

(: For who watches: says that the databases answer, and nothing of the machine. :)
declare
  %rest:GET
  %rest:path('/letters/health')
  %output:method('json')
function api:health() {
  map { 'status': 'ok', 'letters': count(edition:letters()) }
};

declare %private function api:wrong($status as xs:integer, $why as xs:string) {
  web:response-header(map { 'media-type': 'application/json' }, map { }, map { 'status': $status }),
  map { 'error': $why }
};

(: Words found stand between asterisks. :)
declare %private function api:marked($passage as element()) as xs:string {
  normalize-space(string-join($passage//text() ! (if (parent::*:mark) then '*' || . || '*' else .)))
};
