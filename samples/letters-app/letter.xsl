<?xml version="1.0" encoding="UTF-8"?>
<!-- One letter of the edition, TEI to HTML: XSLT 3.0, by Saxon in BaseX. `in` is the language of the page, not of the letter. -->
<xsl:stylesheet version="3.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    xmlns:map="http://www.w3.org/2005/xpath-functions/map" xpath-default-namespace="http://www.tei-c.org/ns/1.0"
    exclude-result-prefixes="#all" expand-text="yes">

  <!-- BaseX parses the result again: as XML, it is well-formed. -->
  <xsl:output method="xml" omit-xml-declaration="yes"/>
  <xsl:mode on-no-match="shallow-skip"/>
  <xsl:mode name="text" on-no-match="text-only-copy"/>

  <xsl:param name="in" as="xs:string" select="'fr'"/>
  <xsl:variable name="words" as="map(xs:string, xs:string)" select="
    if ($in = 'fr')
    then map { 'to': 'à', 'persons': 'Personnes', 'places': 'Lieux', 'notes': 'Personnes et lieux' }
    else map { 'to': 'to', 'persons': 'Persons', 'places': 'Places', 'notes': 'Persons and places' }"/>

  <xsl:key name="named" match="person | place" use="@xml:id"/>

  <xsl:template match="TEI">
    <article class="letter">
      <header>
        <h1>{//correspAction[@type = 'sent']/persName} <span>{$words?to}</span> {//correspAction[@type = 'received']/persName}</h1>
      </header>
      <div class="sheet">
        <div class="text" lang="{@xml:lang}">
          <xsl:apply-templates select="text/body"/>
        </div>
        <aside aria-label="{$words?notes}">
          <xsl:call-template name="list">
            <xsl:with-param name="title" select="$words?persons"/>
            <xsl:with-param name="entries" select=".//listPerson/person"/>
          </xsl:call-template>
          <xsl:call-template name="list">
            <xsl:with-param name="title" select="$words?places"/>
            <xsl:with-param name="entries" select=".//listPlace/place"/>
          </xsl:call-template>
        </aside>
      </div>
    </article>
  </xsl:template>

  <xsl:template match="dateline">
    <p class="dateline"><xsl:apply-templates mode="text"/></p>
  </xsl:template>

  <xsl:template match="salute | p | signed">
    <p class="{local-name()}"><xsl:apply-templates mode="text"/></p>
  </xsl:template>

  <!-- Whom and what the text names leads to the list beside it, where the list has it. -->
  <xsl:template match="(persName | placeName)[key('named', substring-after(@ref, '#'))]" mode="text">
    <a class="{local-name()}" href="#{substring-after(@ref, '#')}"><xsl:apply-templates mode="#current"/></a>
  </xsl:template>

  <xsl:template match="term" mode="text">
    <i lang="{@xml:lang}"><xsl:apply-templates mode="#current"/></i>
  </xsl:template>

  <xsl:template match="date" mode="text">
    <time datetime="{@when}"><xsl:apply-templates mode="#current"/></time>
  </xsl:template>

  <xsl:template match="*:mark" mode="text">
    <mark>{.}</mark>
  </xsl:template>

  <xsl:template name="list">
    <xsl:param name="title" as="xs:string"/>
    <xsl:param name="entries" as="element()*"/>
    <xsl:where-populated>
      <dl>
        <xsl:for-each select="$entries">
          <xsl:sort select="(.//surname, placeName)[1]" lang="{$in}"/>
          <xsl:if test="position() = 1"><dt class="title">{$title}</dt></xsl:if>
          <dt id="{@xml:id}">{normalize-space((persName, placeName)[1])}</dt>
          <xsl:if test="self::person">
            <dd>{occupation}, {birth/@when}–{death/@when}</dd>
          </xsl:if>
        </xsl:for-each>
      </dl>
    </xsl:where-populated>
  </xsl:template>
</xsl:stylesheet>
