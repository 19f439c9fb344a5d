(:~ What the pages say, in both languages. :)
module namespace words = 'https://lab.test/ns/letters/words';

declare variable $words:all := map {
  'fr': map {
    'title': 'Lettres d’Élodie Marchessault',
    'subtitle': 'Une botaniste de Kamouraska et ses correspondants, 1858–1874',
    'about': 'Trente lettres échangées entre une herboriste du bas du fleuve, un abbé, un capitaine, une sœur et trois savants. Elles sont inventées : ceci est l’édition d’exemple du laboratoire.',
    'skip': 'Aller au contenu',
    'all': 'Toutes les lettres',
    'search': 'Chercher',
    'search-in': 'Chercher dans les lettres',
    'search-hint': 'Un mot trouve ses autres formes, avec ou sans accents : « riviere » trouve « rivières ».',
    'found': function($n) { if ($n = 0) then 'Aucune lettre' else if ($n = 1) then '1 lettre' else $n || ' lettres' },
    'for': function($q) { ' pour « ' || $q || ' »' },
    'nothing': 'Aucune lettre ne contient tous ces mots. Essayez-en moins, ou dans l’autre langue : chaque lettre est dans la sienne.',
    'none': 'Aucune lettre ne répond à ce choix.',
    'person': 'Correspondant', 'language': 'Langue', 'year': 'Année', 'any': 'tous', 'any-f': 'toutes', 'choose': 'Choisir',
    'fr': 'français', 'en': 'anglais',
    'to': 'à', 'from': 'de',
    'before': 'Lettre précédente', 'after': 'Lettre suivante', 'neighbours': 'Lettres voisines',
    'other': 'English', 'colophon': 'Édition d’exemple. Texte inventé, libre de tout usage ; encodé en TEI, servi par BaseX.',
    'api': 'Données (JSON)', 'source': 'Source TEI',
    'lost': 'Cette feuille manque à l’herbier.', 'lost-more': 'L’adresse est peut-être mal copiée. ', 'back': 'Revenir à toutes les lettres'
  },
  'en': map {
    'title': 'Letters of Élodie Marchessault',
    'subtitle': 'A botanist of Kamouraska and her correspondents, 1858–1874',
    'about': 'Thirty letters between a plant collector of the lower St Lawrence, a priest, a captain, a sister and three scholars. They are invented: this is the laboratory’s sample edition.',
    'skip': 'Skip to content',
    'all': 'All letters',
    'search': 'Search',
    'search-in': 'Search the letters',
    'search-hint': 'A word finds its other forms, with or without accents: “press” finds “pressed”.',
    'found': function($n) { if ($n = 0) then 'No letter' else if ($n = 1) then '1 letter' else $n || ' letters' },
    'for': function($q) { ' for “' || $q || '”' },
    'nothing': 'No letter has all of these words. Try fewer, or the other language: each letter is in its own.',
    'none': 'No letter answers to this choice.',
    'person': 'Correspondent', 'language': 'Language', 'year': 'Year', 'any': 'all', 'any-f': 'all', 'choose': 'Choose',
    'fr': 'French', 'en': 'English',
    'to': 'to', 'from': 'from',
    'before': 'Previous letter', 'after': 'Next letter', 'neighbours': 'Letters beside this one',
    'other': 'Français', 'colophon': 'Sample edition. An invented text, free for any use; encoded in TEI, served by BaseX.',
    'api': 'Data (JSON)', 'source': 'TEI source',
    'lost': 'This sheet is missing from the herbarium.', 'lost-more': 'The address may have been miscopied. ', 'back': 'Back to all letters'
  }
};

(:~ The language to speak: the one asked for, else the first that the browser would like, else French. :)
declare function words:language($asked as xs:string*, $accepted as xs:string*) as xs:string {
  if ($asked[1] = map:keys($words:all)) then $asked[1]
  else if (matches(string($accepted[1]), '^\s*en([-,;]|$)', 'i')) then 'en'
  else 'fr'
};

declare function words:say($language as xs:string, $key as xs:string) as xs:string {
  $words:all($language)($key)
};

(:~ As words:say, of what has a number or a question in it. :)
declare function words:say($language as xs:string, $key as xs:string, $value as item()) as xs:string {
  $words:all($language)($key)($value)
};
