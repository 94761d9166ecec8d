#!/bin/sh
# Builds the vendored browser libraries anew from the npm registry (Node 20+): sh build.sh
# Nothing of this runs when the product is used; the results are committed beside this folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/editor.js" "$work/"
cd "$work"
npm install --no-audit --no-fund --no-package-lock --ignore-scripts --silent
node node_modules/esbuild/install.js
node_modules/.bin/esbuild editor.js --bundle --minify --format=esm --target=es2022 --legal-comments=none \
    --outfile="$here/../codemirror.js"
cp node_modules/htmx.org/dist/htmx.min.js "$here/../htmx.min.js"
cp node_modules/idiomorph/dist/idiomorph-ext.min.js "$here/../idiomorph-ext.min.js"
cp node_modules/axe-core/axe.min.js "$here/../../../../tests/acceptance/axe.min.js"
cd "$here/.." && sha256sum codemirror.js htmx.min.js idiomorph-ext.min.js
