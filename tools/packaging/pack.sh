#!/usr/bin/env bash
# Packs a release: pack.sh FOLDER [PREVIOUS_VERSION]
#   FOLDER            receives the packages, their symbols, and a bill of materials of each (CycloneDX, *.cdx.json)
#   PREVIOUS_VERSION  a published version, found in the sources of NuGet, that the public API is held against
# The tool is packed for this system, compiled ahead of time, and for any other with the JIT compiler; on other systems, run
# `dotnet pack tools/dnabert2 -c Release -p:PackAsTool=true -p:PackRelease=true -r linux-arm64` (or win-x64, osx-arm64) and put the packages beside.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
previous=${2-}
cd "$(dirname "$0")/../.."
rid=${RID:-$(dotnet --info | sed -n 's/^ *RID: *//p' | sed 's/^\(linux\|win\|osx\).*-\([a-z0-9]*\)$/\1-\2/')}
release=(-c Release -p:PackRelease=true --nologo)

dotnet build Engine.sln "${release[@]}"
dotnet pack Engine.sln "${release[@]}" --no-build -p:PreviousVersion="$previous" -o "$folder"
dotnet pack tools/dnabert2 "${release[@]}" -p:PackAsTool=true -o "$folder"
dotnet pack tools/dnabert2 "${release[@]}" -p:PackAsTool=true -r "$rid" -o "$folder"
dotnet pack tools/dnabert2 "${release[@]}" -p:PackAsTool=true -r any -p:PublishAot=false -o "$folder"

dotnet tool restore
for project in engine/*/*.csproj tokenizer/*.csproj model/*.csproj model/builtin/*.csproj model/onnx/*.csproj extensions/*.csproj tools/kernelcompiler/*.csproj \
    tools/dnabert2/*.csproj; do
    name=$(sed -n 's:.*<PackageId>\(.*\)</PackageId>.*:\1:p' "$project" | head -1)
    name=${name:-$(basename "$project" .csproj)}
    dotnet tool run dotnet-CycloneDX -- "$project" --disable-package-restore --exclude-dev --include-project-references --output-format Json \
        --set-name "$name" --output "$folder" --filename "$name.cdx.json"
done
(cd "$folder" && sha256sum ./*.nupkg ./*.snupkg > SHA256SUMS)
