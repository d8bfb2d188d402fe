# common.sh: what install.sh and subdirectory.sh share. Sourced; expects $source and the compilers in the environment.
CC=${CC:-cc} CXX=${CXX:-c++} CMAKE=${CMAKE:-cmake} PKG_CONFIG=${PKG_CONFIG:-pkg-config}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0 ran=0
fail() { echo "FAIL: $*"; failed=$((failed + 1)); }
finish() {
  echo "$ran programs ran, $failed failures"
  [ "$ran" -gt 0 ] && [ "$failed" -eq 0 ]
  exit
}
[ -x "$(command -v "$CXX")" ] || { echo "SKIP: no C++ compiler here"; exit 77; }
flags="-O1 -Wall -Wextra -pedantic -Werror${EFME_SANITIZE:+ -fsanitize=$EFME_SANITIZE}"
generator=$(command -v ninja >/dev/null && echo Ninja || echo 'Unix Makefiles')

# run_pair NAME CPP C [LIBRARY_PATH]: the C++ program makes a model and an image, the C program classifies it.
run_pair() {
  rm -f "$scratch/model.safetensors" "$scratch/image.pgm"
  if ! LD_LIBRARY_PATH=${4:-} "$2" "$scratch/model.safetensors" "$scratch/image.pgm"; then fail "$1: the C++ program"; return; fi
  if ! LD_LIBRARY_PATH=${4:-} "$3" "$scratch/model.safetensors" "$scratch/image.pgm" >"$scratch/answer"; then fail "$1: the C program"; return; fi
  grep -qE '^(negative|positive|surprise) [01]\.[0-9]{3}$' "$scratch/answer" || fail "$1: answered $(cat "$scratch/answer")"
  echo "$1: $(cat "$scratch/answer")"
  ran=$((ran + 2))
}

# links KIND PROGRAM: the shared consumers need libefme.so.0, the static ones do not.
links() {
  case $1-$("${READELF:-readelf}" -d "$2" | grep -c 'NEEDED.*libefme') in
  shared-1 | static-0) ;;
  *) fail "$2 is not linked $1" ;;
  esac
}

# by_pkg_config PREFIX NAME
by_pkg_config() {
  libdir=$(dirname "$(dirname "$(find "$1" -name efme.pc)")")
  PKG_CONFIG_PATH=$libdir/pkgconfig
  export PKG_CONFIG_PATH
  for variable in moduledir modeldir libdir includedir; do
    dir=$("$PKG_CONFIG" --variable=$variable efme)
    [ -d "$dir" ] && case $(cd "$dir" && pwd -P) in "$(cd "$1" && pwd -P)"/*) ;; *) false ;; esac || fail "$2: $variable is $dir"
  done
  version=$(sed -n 's/^#define EFME_VERSION_[A-Z]* \([0-9]*\)$/\1/p' "$source/include/efme/version.h" | paste -sd.)
  [ "$("$PKG_CONFIG" --modversion efme)" = "$version" ] || fail "$2: efme.pc is not of version $version"
  for kind in shared static; do
    static=
    [ $kind = shared ] || static=--static
    # A static consumer is one that has no libefme.so to find.
    [ $kind = shared ] || { mkdir "$scratch/so"; mv "$libdir"/libefme.so* "$scratch/so/"; }
    # shellcheck disable=SC2086,SC2046
    "$CC" -std=c99 $flags "$source/examples/consumer/consumer.c" -o "$scratch/c_$kind" $("$PKG_CONFIG" $static --cflags --libs efme) || fail "$2 pkg-config $kind C"
    # shellcheck disable=SC2086,SC2046
    "$CXX" -std=c++11 $flags "$source/examples/consumer/consumer.cpp" -o "$scratch/cpp_$kind" $("$PKG_CONFIG" $static --cflags --libs efme) || fail "$2 pkg-config $kind C++"
    links $kind "$scratch/c_$kind"
    links $kind "$scratch/cpp_$kind"
    run_pair "$2 pkg-config $kind" "$scratch/cpp_$kind" "$scratch/c_$kind" "$libdir"
    [ $kind = shared ] || { mv "$scratch/so"/* "$libdir/"; rmdir "$scratch/so"; }
  done
}

# The package itself: its version, what it does not claim to be, and where it says that modules and models lie.
by_package() { # PREFIX NAME
  version=$(sed -n 's/^#define EFME_VERSION_[A-Z]* \([0-9]*\)$/\1/p' "$source/include/efme/version.h" | paste -sd.)
  next=$(echo "$version" | awk -F . '{ print $1 "." $2 + 1 }')
  mkdir -p "$scratch/package"
  cat >"$scratch/package/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.25)
project(package LANGUAGES C)
find_package(efme $next QUIET)
if(efme_FOUND)
  message(SEND_ERROR "FAIL: $version was taken for $next")
endif()
find_package(efme REQUIRED)
message(STATUS "have \${efme_VERSION} \${efme_MODULE_DIR} \${efme_MODEL_DIR}")
if(NOT TARGET efme::efme OR NOT TARGET efme::efme_static)
  message(SEND_ERROR "FAIL: a target is missing")
endif()
CMAKE
  rm -rf "$scratch/package/build"
  "$CMAKE" -S "$scratch/package" -B "$scratch/package/build" -DCMAKE_C_COMPILER="$CC" "-DCMAKE_PREFIX_PATH=$1" >"$scratch/log" 2>&1 || fail "$2 package: $(tail -20 "$scratch/log")"
  have=$(sed -n 's/^-- have //p' "$scratch/log")
  [ "${have%% *}" = "$version" ] || fail "$2 package: version ${have%% *}, not $version"
  for dir in ${have#* }; do
    case $dir in "$1"/*) [ -d "$dir" ] || fail "$2 package: no folder $dir" ;; *) fail "$2 package: $dir is not below $1" ;; esac
  done
  # Where pkg-config does not find cJSON the static library cannot be linked: said where it is wanted, the shared one still works.
  rm -rf "$scratch/package/build"
  sed 's/^find_package(efme REQUIRED)/&\nfind_package(efme QUIET COMPONENTS static)\nmessage(STATUS "static \${efme_FOUND}")/; s/ OR NOT TARGET efme::efme_static//' \
    "$scratch/package/CMakeLists.txt" >"$scratch/package/CMakeLists.new" && mv "$scratch/package/CMakeLists.new" "$scratch/package/CMakeLists.txt"
  PKG_CONFIG_LIBDIR=/nowhere PKG_CONFIG_PATH= "$CMAKE" -S "$scratch/package" -B "$scratch/package/build" -DCMAKE_C_COMPILER="$CC" \
    "-DCMAKE_PREFIX_PATH=$1" >"$scratch/log" 2>&1 || fail "$2 package without cJSON's development files: $(tail -20 "$scratch/log")"
  grep -q '^-- static 0$' "$scratch/log" || fail "$2 package: claims a static library that cannot be linked: $(grep static "$scratch/log")"
}

# by_cmake NAME ARGUMENTS...: the consumer project, built with these definitions.
by_cmake() {
  name=$1
  shift
  rm -rf "$scratch/consumer"
  "$CMAKE" -S "$source/examples/consumer" -B "$scratch/consumer" -G "$generator" -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" "$@" >"$scratch/log" 2>&1 &&
    "$CMAKE" --build "$scratch/consumer" -j 2 >>"$scratch/log" 2>&1 || { tail -40 "$scratch/log"; fail "$name does not build"; return; }
  links shared "$scratch/consumer/c_efme"
  links static "$scratch/consumer/c_efme_static"
  run_pair "$name shared" "$scratch/consumer/cpp_efme" "$scratch/consumer/c_efme"
  run_pair "$name static" "$scratch/consumer/cpp_efme_static" "$scratch/consumer/c_efme_static"
}

# try_prefix PREFIX NAME
try_prefix() {
  by_pkg_config "$1" "$2"
  by_package "$1" "$2"
  by_cmake "$2 find_package" "-DCMAKE_PREFIX_PATH=$1" "-DCMAKE_C_FLAGS=$flags" "-DCMAKE_CXX_FLAGS=$flags"
  # The programs find the library without help, wherever the prefix lies.
  for program in "$1"/bin/efme-*; do
    [ -x "$program" ] || continue
    env -u LD_LIBRARY_PATH "$program" --help >/dev/null || fail "$2: $program --help"
    ran=$((ran + 1))
  done
}
