<?php

declare(strict_types=1);

// A guest book: one text file an entry, in the folder `entries`, which outlives releases.

const ENTRIES = __DIR__ . '/entries';
const LONGEST_NAME = 60;
const LONGEST_TEXT = 1000;
const SHOWN = 50;
const MOST = 500; // then it is full: nobody fills the disk through it

session_start();
$_SESSION['token'] ??= bin2hex(random_bytes(16));

/** What is wrong with the entry, or null once it is kept. */
function keep(string $name, string $text): ?string
{
    if ($name === '' || $text === '') {
        return 'Il manque un nom ou un mot. · A name or a word is missing.';
    }
    if (mb_strlen($name) > LONGEST_NAME || mb_strlen($text) > LONGEST_TEXT) {
        return 'C’est trop long. · That is too long.';
    }
    if (count(entries()) >= MOST) {
        return 'Le livre est plein. · The book is full.';
    }
    $entry = json_encode(['name' => $name, 'text' => $text], JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
    $file = ENTRIES . '/' . gmdate('Ymd-His') . '-' . bin2hex(random_bytes(4)) . '.json';
    // Beside, then renamed: nobody reads half an entry.
    if (@file_put_contents("$file.new", $entry) === false || !rename("$file.new", $file)) {
        return 'Le livre ne s’ouvre pas. · The book cannot be opened.';
    }
    return null;
}

/** @return list<string> the entries' files, the newest first */
function entries(): array
{
    return array_reverse(glob(ENTRIES . '/*.json') ?: []);
}

function shown(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

function field(string $name): string
{
    $value = $_POST[$name] ?? '';
    return is_string($value) && mb_check_encoding($value, 'UTF-8') ? trim($value) : '';
}

$problem = null;
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $problem = hash_equals($_SESSION['token'], field('token'))
        ? keep(field('name'), field('text'))
        : 'La page avait vieilli; essayez encore. · The page was stale; try again.';
    if ($problem === null) {
        header('Location: /', true, 303);
        exit;
    }
    http_response_code(422);
}
?>
<!DOCTYPE html>
<html lang="fr">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Livre d’or · Guest book</title>
  <link rel="icon" type="image/svg+xml" href="/mark.svg">
  <link rel="stylesheet" href="/book.css">
</head>
<body>
  <main>
    <h1>Livre d’or <span lang="en">Guest book</span></h1>
    <form method="post" action="/">
      <?php if ($problem !== null): ?>
      <p class="problem" role="alert"><?= shown($problem) ?></p>
      <?php endif ?>
      <input type="hidden" name="token" value="<?= shown($_SESSION['token']) ?>">
      <label for="name">Nom · <span lang="en">Name</span></label>
      <input id="name" name="name" required maxlength="<?= LONGEST_NAME ?>" autocomplete="name" value="<?= shown(field('name')) ?>">
      <label for="text">Un mot · <span lang="en">A word</span></label>
      <textarea id="text" name="text" required maxlength="<?= LONGEST_TEXT ?>" rows="4"><?= shown(field('text')) ?></textarea>
      <button>Signer · <span lang="en">Sign</span></button>
    </form>
    <?php foreach (array_slice(entries(), 0, SHOWN) as $file): ?>
    <?php $entry = json_decode((string) file_get_contents($file), true) ?>
    <?php if (is_array($entry)): ?>
    <article>
      <p><?= nl2br(shown((string) ($entry['text'] ?? ''))) ?></p>
      <footer><?= shown((string) ($entry['name'] ?? '')) ?>, <time><?= shown(substr(basename($file), 0, 4)) ?></time></footer>
    </article>
    <?php endif ?>
    <?php endforeach ?>
  </main>
</body>
</html>
