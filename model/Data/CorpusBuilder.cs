using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Engine.Runtime;

namespace Dnabert2.Training;

/// <summary>How far the building of a corpus is.</summary>
/// <param name="Species">The species at work.</param>
/// <param name="Bases">Bases read so far, of all species.</param>
/// <param name="Share">The part of the work that is done, by estimate, from 0 to 1.</param>
/// <param name="Comparing">Whether windows are being compared, the last part of the work.</param>
public readonly record struct CorpusProgress(string Species, long Bases, double Share, bool Comparing = false);

/// <summary>
/// Cuts sequences into windows, tokenises these and writes them as a corpus. Memory is that of the longest record, two shards, and
/// up to 13 bytes for each base held out (<see cref="CorpusOptions.RepeatBases"/>). The same inputs, options and tokenizer always give
/// the same bytes.
/// </summary>
public static class CorpusBuilder
{
    internal const string TokenizerFile = "tokenizer.json";
    private const string OtherCorpus = "name another folder for the new corpus, or delete this one to have it built again";

    /// <summary>
    /// Builds a corpus, or opens the one that is there if it was built from the same files, options and tokenizer. A corpus appears
    /// under its name only when it is complete.
    /// </summary>
    /// <param name="folder">The folder of the corpus; it does not exist yet, or is empty, or holds the corpus.</param>
    /// <param name="sources">The sequence files.</param>
    /// <param name="tokenizer">With [CLS], [SEP] and [MASK], and at most 65,536 entries.</param>
    /// <param name="options">How windows are cut.</param>
    /// <param name="progress">Told after each record.</param>
    /// <param name="cancellation">Ends the building; nothing is left.</param>
    /// <exception cref="InvalidDataException">
    /// A file is no sequence file, there is no usable window, or the folder holds a corpus of other files, options or tokenizer.
    /// </exception>
    /// <exception cref="IOException">A file cannot be read or written, or the folder holds something else.</exception>
    /// <exception cref="ArgumentException">There is no source, or an option is out of its range.</exception>
    public static Corpus Build(
        string folder, IReadOnlyList<CorpusSource> sources, BpeTokenizer tokenizer, CorpusOptions? options = null,
        IProgress<CorpusProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(sources);
        ArgumentNullException.ThrowIfNull(tokenizer);
        options ??= new CorpusOptions();
        Check(folder, sources, options);
        if (tokenizer.VocabularySize > ushort.MaxValue + 1)
            throw new ArgumentException($"a corpus holds token ids of 16 bits; the tokenizer has {tokenizer.VocabularySize} entries");
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        InputEntry[] inputs = [.. sources.Select(Describe)];
        string hash = FileHash.Of(tokenizer);
        string lockFile = folder + ".lock";
        if (File.Exists(Path.Combine(folder, CorpusIndex.FileName)))
        {
            AtomicFile.RemoveAbandonedLock(lockFile);
            return Reuse(folder, inputs, options, hash);
        }

        Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
        using FileStream held = AtomicFile.Lock(lockFile, $"{folder}: another process builds this corpus; wait for its end");
        string temporary = folder + ".tmp";
        // What a killed process has left.
        if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        Directory.CreateDirectory(temporary);
        try
        {
            var build = new CorpusBuild(temporary, tokenizer, options, progress, cancellation);
            SpeciesEntry[] species = build.Run(sources);
            ResultFiles.Write(Path.Combine(temporary, TokenizerFile), tokenizer.Save);
            AtomicFile.Write(Path.Combine(temporary, CorpusIndex.FileName), new CorpusIndex(options, hash, inputs, species).Write());
            if (Directory.Exists(folder)) Directory.Delete(folder);
            Directory.Move(temporary, folder);
        }
        catch
        {
            Directory.Delete(temporary, recursive: true);
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

        bool built = File.Exists(Path.Combine(folder, CorpusIndex.FileName));
        if (!built && (File.Exists(folder) || (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())))
            throw new IOException($"{folder}: holds something that is no corpus; name a new or empty folder");
    }

    private static InputEntry Describe(CorpusSource source) =>
        new(source.Species, Path.GetFileName(source.Path), new FileInfo(source.Path).Length, FileHash.OfFile(source.Path));

    private static Corpus Reuse(string folder, InputEntry[] inputs, CorpusOptions options, string tokenizerHash)
    {
        Corpus corpus = Corpus.Open(folder);
        if (Difference(corpus.Index, inputs, options, tokenizerHash) is not { } difference) return corpus;
        corpus.Dispose();
        throw new InvalidDataException($"{folder}: holds a corpus that differs from the one asked for: {difference}; {OtherCorpus}");
    }

    private static string? Difference(CorpusIndex index, InputEntry[] inputs, CorpusOptions options, string tokenizerHash)
    {
        if (index.TokenizerSha256 != tokenizerHash) return "it was made with another tokenizer";
        if (index.Options != options) return $"it was cut with {index.Options}, not {options}";
        if (index.Inputs.Length != inputs.Length) return $"it was built from {index.Inputs.Length} files, not {inputs.Length}";
        for (int i = 0; i < inputs.Length; i++)
        {
            if (index.Inputs[i].Species != inputs[i].Species)
                return $"file {i + 1} was of species '{index.Inputs[i].Species}', not '{inputs[i].Species}'";
            if (index.Inputs[i].Sha256 != inputs[i].Sha256)
                return $"{inputs[i].File} has another content than the file it was built from, {index.Inputs[i].File}";
        }

        return null;
    }
}
