using Dnabert2.Files;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Training;

namespace Dnabert2.Data;

/// <summary>How far the building of a corpus is.</summary>
/// <param name="Species">The species at work.</param>
/// <param name="Bases">Bases read so far, of all species.</param>
/// <param name="Share">The part of the work that is done, by estimate, from 0 to 1.</param>
/// <param name="Comparing">Whether windows are being compared, the last part of the work.</param>
public readonly record struct CorpusProgress(string Species, long Bases, double Share, bool Comparing = false)
{
    /// <summary>What a user is to know of a file that was just read, such as records that were left out; else null.</summary>
    public string? Note { get; init; }
}

/// <summary>
/// Cuts sequences into windows, tokenises these and writes them as a corpus. Memory is that of the longest record, two shards, and
/// up to 13 bytes for each base held out (<see cref="CorpusOptions.RepeatBases"/>). The same inputs, options and tokenizer always give
/// the same bytes.
/// </summary>
public static class CorpusBuilder
{
    private const string ShardFiles = "shard-*.bin";
    private const string OtherCorpus = "name another folder for the new corpus, or delete this one to have it built again";

    /// <summary>
    /// Builds a corpus, or opens the one that is there if it was built from the same files, options and tokenizer. A corpus appears
    /// is one only when it is complete: its index is written last.
    /// </summary>
    /// <param name="folder">The folder of the corpus; it does not exist yet, or is empty, or holds the corpus.</param>
    /// <param name="sources">The sequence files.</param>
    /// <param name="tokenizer">With a mask, byte-pair encoding also with [CLS] and [SEP], and at most 65,536 entries.</param>
    /// <param name="options">How windows are cut.</param>
    /// <param name="progress">Told after each record.</param>
    /// <param name="cancellation">Ends the building; nothing is left.</param>
    /// <exception cref="InvalidDataException">
    /// A file is no sequence file, there is no usable window, or the folder holds a corpus of other files, options or tokenizer.
    /// </exception>
    /// <exception cref="IOException">
    /// A file cannot be read or written, or the folder holds something else, or another process builds in it.
    /// </exception>
    /// <exception cref="ArgumentException">There is no source, or an option is out of its range.</exception>
    public static Corpus Build(
        string folder, IReadOnlyList<CorpusSource> sources, ISequenceTokenizer tokenizer, CorpusOptions? options = null,
        IProgress<CorpusProgress>? progress = null, CancellationToken cancellation = default) =>
        BuildOn(FileOperations.OfMachine, folder, sources, tokenizer, options, progress, cancellation);

    /// <summary>Builds a corpus on a disk of its own.</summary>
    internal static Corpus BuildOn(
        FileOperations disk, string folder, IReadOnlyList<CorpusSource> sources, ISequenceTokenizer tokenizer, CorpusOptions? options,
        IProgress<CorpusProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(sources);
        ArgumentNullException.ThrowIfNull(tokenizer);
        options ??= new CorpusOptions();
        Check(folder, sources, options);
        if (tokenizer.VocabularySize > ushort.MaxValue + 1)
            throw new ArgumentException($"a corpus holds token ids of 16 bits; the tokenizer has {tokenizer.VocabularySize} entries");
        if (options.MinBases <= tokenizer.Overlap)
            throw new ArgumentException(
                $"MinBases is {options.MinBases}: a token has {tokenizer.Overlap + 1} bases, and a window at least one token");
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (IsBuilt(folder) && !RunFolder.IsMarked(folder)) return Reuse(folder, sources, options, tokenizer);
        using RunFolder held = RunFolder.ClaimOn(disk, folder, Kind, resume: true);
        // It may be that another process has built it meanwhile, or was killed before it removed its marker.
        if (IsBuilt(folder)) return Reuse(folder, sources, options, tokenizer);
        // What a killed process has left.
        Remove(held);
        try
        {
            InputEntry[] inputs = [.. sources.Select(Describe)];
            SpeciesEntry[] species = new CorpusBuild(held, tokenizer, options, progress, cancellation).Run(sources);
            ResultFiles.Write(Path.Combine(folder, TokenizerFile.NameOf(tokenizer)), tokenizer.Save, disk);
            byte[] index = new CorpusIndex(options, FileHash.Of(tokenizer), inputs, species).Write();
            ResultFiles.Write(Path.Combine(folder, CorpusIndex.FileName), index, disk);
        }
        catch
        {
            TryRemove(held);
            throw;
        }

        return Corpus.Open(folder);
    }

    /// <summary>Finds what can be wrong with folder, files and options before any file is read, which may take long.</summary>
    /// <param name="folder">See <see cref="Build"/>.</param>
    /// <param name="sources">See <see cref="Build"/>.</param>
    /// <param name="options">See <see cref="Build"/>.</param>
    /// <exception cref="IOException">A file is not there, or the folder holds something else than a corpus.</exception>
    /// <exception cref="ArgumentException">There is no source, or an option is out of its range.</exception>
    public static void Check(string folder, IReadOnlyList<CorpusSource> sources, CorpusOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(sources);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (sources.Count == 0) throw new ArgumentException("a corpus is built from at least one sequence file");
        foreach (CorpusSource source in sources)
        {
            if (Directory.Exists(source.Path)) throw new IOException($"{source.Path}: is a folder; name the sequence files in it");
            if (!File.Exists(source.Path))
                throw new FileNotFoundException($"{source.Path}: there is no such file; name sequence files, or NAME=FILE");
        }

        if (!IsBuilt(folder) && RunFolder.Refusal(folder, Kind, resume: true) is { } reason) throw new IOException($"{folder}: {reason}");
    }

    /// <summary>While a corpus is built, its folder is that of a run.</summary>
    private static RunKind Kind { get; } = new(
        "corpus", [ShardFiles, .. TokenizerFile.Names, CorpusIndex.FileName], IsBuilt, IsBuilt)
    {
        IsWhole = true,
    };

    private static bool IsBuilt(string folder) => File.Exists(Path.Combine(folder, CorpusIndex.FileName));

    private static void Remove(RunFolder unfinished)
    {
        foreach (string file in unfinished.Files.ToArray()) unfinished.Disk.Delete(file);
    }

    private static void TryRemove(RunFolder unfinished)
    {
        try
        {
            Remove(unfinished);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It stays with the marker, by which the next building knows it.
        }
    }

    private static InputEntry Describe(CorpusSource source) =>
        new(source.Species, Path.GetFileName(source.Path), new FileInfo(source.Path).Length, FileHash.OfFile(source.Path));

    private static Corpus Reuse(string folder, IReadOnlyList<CorpusSource> sources, CorpusOptions options, ISequenceTokenizer tokenizer)
    {
        Corpus corpus = Corpus.Open(folder);
        if (Difference(corpus.Index, [.. sources.Select(Describe)], options, FileHash.Of(tokenizer)) is not { } difference) return corpus;
        corpus.Dispose();
        throw new InvalidDataException($"{folder}: holds a corpus that differs from the one asked for: {difference}; {OtherCorpus}");
    }

    private static string? Difference(CorpusIndex index, InputEntry[] inputs, CorpusOptions options, string tokenizerHash)
    {
        if (index.TokenizerSha256 != tokenizerHash) return "it was made with another tokenizer";
        if (index.Options != options with { OnEmpty = index.Options.OnEmpty }) return $"it was cut with {index.Options}, not {options}";
        if (index.Inputs.Length != inputs.Length) return $"it was built from {index.Inputs.Length} files, not {inputs.Length}";
        for (int i = 0; i < inputs.Length; i++)
        {
            if (index.Inputs[i].Species != inputs[i].Species)
                return $"file {i + 1} was of species '{Excerpt.Of(index.Inputs[i].Species)}', not '{Excerpt.Of(inputs[i].Species)}'";
            if (index.Inputs[i].Sha256 != inputs[i].Sha256)
                return $"{inputs[i].File} differs from the file it was built from, {Excerpt.Of(index.Inputs[i].File)}";
        }

        return null;
    }
}
