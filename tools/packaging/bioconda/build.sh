#!/usr/bin/env bash
set -euo pipefail
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 HOME=${HOME:-$PWD}
case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) rid=linux-x64 ;;
    Linux-aarch64) rid=linux-arm64 ;;
    Darwin-arm64) rid=osx-arm64 ;;
    *) echo "there is no such build" >&2; exit 1 ;;
esac
# Conda's compiler has a name of its own.
dotnet publish tools/dnabert2 -c Release -r "$rid" -p:CppCompilerAndLinker="${CC:-cc}" -o publish
mkdir -p "$PREFIX/bin"
install -m 755 publish/dnabert2 "$PREFIX/bin/dnabert2"
