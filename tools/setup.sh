#!/bin/sh
# setup.sh: what building and testing need, as Debian 12 packages; installs those that are missing (as root, or through sudo).
# Where there is no apt it says what is needed and goes on.
set -eu
packages="gcc g++ cmake ninja-build pkg-config libcjson-dev libstb-dev check libjpeg-dev libpng-dev libminizip-dev libexpat1-dev $*"

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || {
  echo "setup.sh: no apt here; needed are the like of: $packages"
  exit 0
}
missing=
for package in $packages; do
  case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
  installed) ;;
  *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup.sh: run this as root, it lacks:$missing" >&2; exit 1; }
  as_root=sudo
fi
echo "installing:$missing"
$as_root apt-get -qq update
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing >/dev/null
