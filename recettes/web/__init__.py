"""The lab's front: nginx and PHP-FPM, rendered from the declared sites."""
