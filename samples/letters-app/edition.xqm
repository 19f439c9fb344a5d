(:~ The letters as data: finding, ordering, searching. Nothing here knows of pages. :)
module namespace edition = 'https://lab.test/ns/letters/edition';

declare namespace tei = 'http://www.tei-c.org/ns/1.0';

(: A database for each language: a full-text index has one stemmer. :)
declare variable $edition:databases := map { 'en': 'letters-en', 'fr': 'letters-fr' };

(: Longer questions and more words than anybody asks are cut, so that none is dear. :)
declare variable $edition:longest := 200;
declare variable $edition:words := 8;

(:~ All letters, oldest first. :)
declare function edition:letters() as element(tei:TEI)* {
  for $letter in edition:databases() ! db:get(.)/tei:TEI
  order by edition:date($letter)
  return $letter
};

(:~ Of the letters, those sent or received by the person, in the language, of the year; an empty wish leaves all. :)
declare function edition:chosen($person as xs:string, $language as xs:string, $year as xs:string) as element(tei:TEI)* {
  edition:letters()
    [$language = ('', @xml:lang)]
    [$year = ('', substring(edition:date(.), 1, 4))]
    [$person = ('', edition:person(., 'sent')?id, edition:person(., 'received')?id)]
};

(:~ The letter of this identifier, such as 1859-09-18, or nothing. :)
declare function edition:letter($id as xs:string) as element(tei:TEI)? {
  (edition:databases() ! db:attribute(., 'letter-' || $id, 'xml:id')/parent::tei:TEI)[1]
};

(:~
 : What contains all words of the question, in any of their forms and without regard to accents. Best first.
 : @return maps: letter, passages (paragraphs and the like, with the words found in mark elements)
 :)
declare function edition:search($question as xs:string) as map(*)* {
  let $words := edition:words($question)
  for $database in edition:databases()[exists($words)]
  let $everywhere := fold-left($words, db:get($database)/tei:TEI, function($letters, $word) {
    $letters intersect edition:found($database, $word)/ancestor::tei:TEI
  })
  for $letter in $everywhere
  let $passages := ft:mark(edition:found($database, $words)[ancestor::tei:TEI is $letter]/parent::*/
    ancestor-or-self::*[self::tei:p or self::tei:salute or self::tei:dateline or self::tei:signed])
  order by count($passages//*:mark) descending, edition:date($letter)
  return map { 'letter': $letter, 'passages': $passages }
};

(:~ The letter, with the words of the question that are in it in mark elements. :)
declare function edition:marked($letter as element(tei:TEI), $question as xs:string) as element(tei:TEI) {
  let $database := db:name($letter), $words := edition:words($question)
  return
    if (edition:found($database, $words)/ancestor::tei:TEI[. is $letter])
    then ft:mark(edition:found($database, $words)/ancestor::tei:TEI[. is $letter])
    else $letter
};

(: Pieces of text with any of the words, which are one each: the mode 'any word' would stem them twice, and miss some.
   ft:mark knows of what is found while its argument is evaluated, not before. :)
declare %private function edition:found($database as xs:string, $words as xs:string*) as text()* {
  if (empty($words)) then () else ft:search($database, $words)[ancestor::tei:body]
};

(:~ Identifier, date, correspondents, place and first words. :)
declare function edition:summary($letter as element(tei:TEI)) as map(*) {
  let $sent := $letter//tei:correspAction[@type = 'sent']
  return map {
    'id': edition:id($letter),
    'title': string($letter//tei:titleStmt/tei:title),
    'date': edition:date($letter),
    'day': string($sent/tei:date),
    'language': string($letter/@xml:lang),
    'place': string($sent/tei:placeName),
    'from': edition:person($letter, 'sent'),
    'to': edition:person($letter, 'received'),
    'begins': edition:first-words(($letter//tei:body//tei:p)[1])
  }
};

(:~ All that a letter says and of whom and where it speaks. :)
declare function edition:whole($letter as element(tei:TEI)) as map(*) {
  map:merge((
    edition:summary($letter),
    map {
      'text': array { $letter//tei:body//(tei:dateline | tei:salute | tei:p | tei:signed) ! normalize-space(.) },
      'persons': array { $letter//tei:listPerson/tei:person ! map { 'id': string(@xml:id), 'name': normalize-space(tei:persName) } },
      'places': array { $letter//tei:listPlace/tei:place ! map { 'id': string(@xml:id), 'name': normalize-space(tei:placeName) } }
    }
  ))
};

(:~ Who wrote or received any of the letters, by name. :)
declare function edition:persons($letters as element(tei:TEI)*) as map(*)* {
  for $name in $letters//tei:correspAction/tei:persName
  group by $ref := string($name/@ref)
  let $all := string($name[1])
  order by tokenize($all)[last()]
  return map { 'id': substring-after($ref, '#'), 'name': $all }
};

declare function edition:years($letters as element(tei:TEI)*) as xs:string* {
  sort(distinct-values($letters ! substring(edition:date(.), 1, 4)))
};

(:~ The letters before and after this one, either of which may be missing. :)
declare function edition:neighbours($letter as element(tei:TEI)) as map(*) {
  let $all := edition:letters()
  let $place := index-of($all ! edition:id(.), edition:id($letter))
  return map { 'before': $all[$place - 1], 'after': $all[$place + 1] }
};

declare function edition:id($letter as element(tei:TEI)) as xs:string {
  substring-after($letter/@xml:id, 'letter-')
};

declare %private function edition:databases() as xs:string* {
  $edition:databases?*
};

declare %private function edition:date($letter as element(tei:TEI)) as xs:string {
  string($letter//tei:correspAction[@type = 'sent']/tei:date/@when)
};

declare %private function edition:person($letter as element(tei:TEI), $did as xs:string) as map(*) {
  let $person := $letter//tei:correspAction[@type = $did]/tei:persName
  return map { 'id': substring-after($person/@ref, '#'), 'name': string($person) }
};

declare %private function edition:words($question as xs:string) as xs:string* {
  subsequence(distinct-values(ft:tokenize(substring($question, 1, $edition:longest))), 1, $edition:words)
};

declare %private function edition:first-words($paragraph as element()?) as xs:string {
  let $words := tokenize(string($paragraph))
  return string-join(subsequence($words, 1, 24), ' ') || (if (count($words) > 24) then ' …' else '')
};
