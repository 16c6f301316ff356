#!/usr/bin/env bash
# The demonstration, chapter by chapter. `make demo` calls this with everything it needs installed and built. What it
# makes is in demo-out, anew each time.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/steps.sh"
export PATH="$here/../../bin:$PATH"

out=$here/../../demo-out
rm -rf "$out"
mkdir "$out"
cd "$out"

source "$here/sign-template.sh"
source "$here/shielding-data.sh"
source "$here/host-guardian-service.sh"

table
printf '\nThe files are in %s\n' "$PWD"
