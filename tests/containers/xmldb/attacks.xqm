(: What an application must not be able to do, whoever wrote it, and a few things that it must. :)
module namespace attacks = 'attacks';

declare variable $attacks:bomb := "<!DOCTYPE a [<!ENTITY x0 'xxxxxxxxxx'>"
  || string-join(for $n in 1 to 9 return "<!ENTITY x" || $n || " '" || string-join((1 to 10) ! ("&amp;x" || $n - 1 || ";")) || "'>")
  || "]><a>&amp;x9;</a>";
declare variable $attacks:entity := "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><a>&amp;e;</a>";

(: A stylesheet with this as its only instruction. :)
declare function attacks:sheet($instruction as element()) as element() {
  <xsl:stylesheet version="3.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
    <xsl:output method="text"/>
    <xsl:template match="/">{ $instruction }</xsl:template>
  </xsl:stylesheet>
};

declare function attacks:transformed($select as xs:string) {
  xslt:transform-text(<a/>, attacks:sheet(<xsl:value-of xmlns:xsl="http://www.w3.org/1999/XSL/Transform" select="{ $select }"/>))
};

(: Would run before a function of whoever's servlet leads here. :)
declare %perm:check('/attacks') function attacks:check() {
  user:current()[not(ends-with(., '-attacks'))] ! ('checked by ' || .)
};

declare %rest:GET %rest:path('/attacks/transforming/{$what}') %output:method('text')
function attacks:transforming($what as xs:string) { attacks:attack($what) };

declare %rest:GET %rest:path('/attacks/{$what}') %output:method('text')
function attacks:attack($what as xs:string) {
  let $elsewhere := 'http://' || request:header('Host') || '/health/'
  return switch ($what)
    case 'nothing' return 'nothing'
    case 'me' return user:current()
    case 'forward' return web:forward('/attacks/me')
    case 'forward-to-another' return web:forward('/../letters/attacks/me')
    case 'forward-to-another-that-transforms' return web:forward('/../../render/letters/attacks/me')
    case 'forward-to-transform' return web:forward('/../../render/attacks/attacks/me')
    case 'forward-to-another-s-own' return web:forward('/../letters/letters/health')
    case 'forward-to-another-s-transformation' return web:forward('/../../render/letters/letters/letter/1861-06-09')
    case 'forward-to-own-transformation' return web:forward('/../../render/attacks/attacks/transforming/me')
    case 'pretends' return request:set-attribute('jakarta.servlet.forward.servlet_path', '/run/letters')
    case 'session' return (session:get('kept', 'nothing kept'), session:set('kept', 'kept'))
    case 'granted' return count(db:get('letters-en'))
    case 'transform' return attacks:transformed("'trans' || 'formed'")
    case 'parse' return parse-xml('<a>parsed</a>')
    case 'own-stylesheet' return xslt:transform-text(<a/>, doc(resolve-uri('importing.xsl')))
    case 'other-database' return count(db:get('letters-fr'))
    case 'read' return file:read-text('/etc/passwd')
    case 'read-password' return file:read-text('/var/lib/recettes/basex/admin')
    case 'read-text' return unparsed-text('file:///etc/hostname')
    case 'write' return file:write-text('/srv/basex/data/written', 'x')
    case 'command' return proc:execute('id')
    case 'java' return Q{java:java.lang.System}getenv('PATH')
    case 'environment' return environment-variable('PATH')
    case 'fetch' return fetch:text($elsewhere)
    case 'fetch-file' return fetch:text('file:///etc/hostname')
    case 'request' return http:send-request(<http:request method="get" href="{ $elsewhere }"/>)
    case 'document' return doc($elsewhere)
    case 'document-file' return doc('file:///etc/java-21-openjdk/x.xml')
    case 'entity' return parse-xml($attacks:entity)
    case 'bomb' return string-length(parse-xml($attacks:bomb))
    case 'sheet-reads' return attacks:transformed("unparsed-text('/etc/passwd')")
    case 'sheet-reads-users' return attacks:transformed("unparsed-text('/srv/basex/data/users.xml')")
    case 'sheet-fetches' return attacks:transformed("doc('" || $elsewhere || "')")
    case 'sheet-writes' return xslt:transform-text(<a/>, attacks:sheet(
      <xsl:result-document xmlns:xsl="http://www.w3.org/1999/XSL/Transform" href="file:///srv/basex/data/written">x</xsl:result-document>))
    case 'sheet-java' return attacks:transformed("Q{java:java.lang.Runtime}getRuntime()")
    case 'evaluated' return xquery:eval("file:read-text('/etc/passwd')")
    case 'jobs' return job:list-details()
    case 'log' return admin:logs()
    case 'endless' return count((1 to 1000000000000)[. mod 7 = string-length(string(.))])
    case 'sheet-endless' return xslt:transform-text(<a/>, attacks:sheet(
      <xsl:for-each xmlns:xsl="http://www.w3.org/1999/XSL/Transform" select="1 to 2000000000">
        <xsl:for-each select="1 to 2000000000"><xsl:if test="position() mod 7 = 8">x</xsl:if></xsl:for-each>
      </xsl:for-each>))
    case 'memory' return string-length(fold-left(1 to 30, random:uuid(), function($text, $n) { $text || $text }))
    default return web:error(404, 'no such attack')
};

declare %updating %rest:GET %rest:path('/attacks/update/password') function attacks:password() { user:password('admin', 'guess') };
declare %updating %rest:GET %rest:path('/attacks/update/user') function attacks:user() { user:create('evil', 'evil', 'admin') };
declare %updating %rest:GET %rest:path('/attacks/update/drop') function attacks:drop() { db:drop('letters-fr') };
declare %updating %rest:GET %rest:path('/attacks/update/replace') function attacks:replace() { db:create('letters-fr', <a/>, 'a.xml') };
declare %updating %rest:GET %rest:path('/attacks/update/add') function attacks:add() { db:add('letters-en', <a/>, 'a.xml') };
declare %updating %rest:GET %rest:path('/attacks/update/install') function attacks:install() {
  repo:install('/srv/basex/restxq/attacks/attacks.xqm')
};
