"""The pages for people: static files that read the JSON API in the browser of who is signed in."""
