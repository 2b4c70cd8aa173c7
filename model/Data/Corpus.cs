using Dnabert2.Files;
using Dnabert2.Tokenizers;
using Dnabert2.Training;

namespace Dnabert2.Data;

/// <summary>What windows are for.</summary>
public enum Split
{
    /// <summary>Training.</summary>
    Training,

    /// <summary>Evaluation; training never sees them.</summary>
    HeldOut,
}

/// <summary>How much of a species a split holds.</summary>
/// <param name="Windows">Windows.</param>
/// <param name="Tokens">Their tokens, without special ones around them.</param>
/// <param name="Bases">Their bases.</param>
public readonly record struct WindowCounts(long Windows, long Tokens, long Bases);

/// <summary>What became of a species' sequences.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Records">Records read.</param>
/// <param name="Bases">Their letters, those that are not A, C, G or T included.</param>
/// <param name="AmbiguousWindows">Windows that were dropped because they hold anything but A, C, G and T.</param>
/// <param name="AmbiguousBases">The letters of these windows.</param>
/// <param name="RestBases">Letters of short records and ends of records, too few for a window.</param>
/// <param name="RepeatedWindows">
/// Windows that are neither trained on nor held out: they were to be held out, but repeat a training window.
/// </param>
/// <param name="RepeatedBases">The bases of these windows.</param>
/// <param name="Training">Windows for training.</param>
/// <param name="HeldOut">Windows held out.</param>
public sealed record CorpusSpecies(
    string Name, long Records, long Bases, long AmbiguousWindows, long AmbiguousBases, long RestBases,
    long RepeatedWindows, long RepeatedBases, WindowCounts Training, WindowCounts HeldOut)
{
    /// <summary>The windows of a split.</summary>
    public WindowCounts Of(Split split) => split == Split.Training ? Training : HeldOut;
}

/// <summary>
/// Tokenised windows of the genomes of several species, in files of which a window is read when it is asked for: a corpus may be larger
/// than memory. Made by <see cref="CorpusBuilder"/>. Any number of threads may read. A file that changes while it is open is an error.
/// </summary>
public sealed class Corpus : IDisposable
{
    private readonly Shards[,] _shards;

    private Corpus(string folder, CorpusIndex index, ISequenceTokenizer tokenizer, string hash)
    {
        (Folder, Index, Tokenizer, Hash) = (folder, index, tokenizer, hash);
        _shards = new Shards[2, index.Species.Length];
        Species = [.. index.Species.Select(s => new CorpusSpecies(
            s.Name, s.Records, s.Bases, s.AmbiguousWindows, s.AmbiguousBases, s.RestBases,
            s.RepeatedWindows, s.RepeatedBases, Count(s.Training), Count(s.HeldOut)))];
    }

    /// <summary>Where it lies.</summary>
    public string Folder { get; }

    /// <summary>The tokenizer that made the tokens; it lies in the folder, too.</summary>
    public ISequenceTokenizer Tokenizer { get; }

    /// <summary>How the windows were cut.</summary>
    public CorpusOptions Options => Index.Options;

    /// <summary>The species, in the order in which they were given.</summary>
    public IReadOnlyList<CorpusSpecies> Species { get; }

    /// <summary>SHA-256 of the index, which holds the checksums of everything else: equal for equal corpora.</summary>
    public string Hash { get; }

    internal CorpusIndex Index { get; }

    /// <summary>Opens a corpus and checks every byte of it.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">The folder is no corpus.</exception>
    /// <exception cref="InvalidDataException">A file was cut or altered; the message names it.</exception>
    public static Corpus Open(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{folder}: there is no such folder; a corpus is built from sequence files first");
        string path = Path.Combine(folder, CorpusIndex.FileName);
        if (!File.Exists(path))
            throw new FileNotFoundException($"{path} is missing: the folder is not a corpus; build one from sequence files");
        byte[] json = RegularFile.Read(path, CorpusIndex.MaxBytes);
        CorpusIndex index = CorpusIndex.Read(path, json);
        string tokenizerPath = TokenizerFile.Find(folder) ?? Path.Combine(folder, TokenizerFile.Names[0]);
        if (!File.Exists(tokenizerPath) || FileHash.OfFile(tokenizerPath) != index.TokenizerSha256)
            throw new InvalidDataException($"{tokenizerPath} is missing or was altered; {CorpusIndex.Remedy}");
        var corpus = new Corpus(folder, index, TokenizerFile.Load(tokenizerPath), FileHash.Of(json));
        try
        {
            corpus.OpenShards();
            return corpus;
        }
        catch
        {
            corpus.Dispose();
            throw;
        }
    }

    /// <summary>The tokens of a window, without special ones around them.</summary>
    /// <param name="split">Training or held out.</param>
    /// <param name="species">The number of the species.</param>
    /// <param name="index">The number of the window, below <see cref="WindowCounts.Windows"/>.</param>
    /// <exception cref="InvalidDataException">A file was cut or altered since the corpus was opened.</exception>
    public ReadOnlySpan<ushort> Window(Split split, int species, long index) =>
        Window(split, species, index, new ushort[Options.MaxTokens]);

    /// <summary>The tokens of a window in memory of the caller's, without special ones around them.</summary>
    /// <param name="split">Training or held out.</param>
    /// <param name="species">The number of the species.</param>
    /// <param name="index">The number of the window, below <see cref="WindowCounts.Windows"/>.</param>
    /// <param name="buffer">Receives them: at least <see cref="CorpusOptions.MaxTokens"/> elements.</param>
    /// <returns>The part of the buffer that holds them.</returns>
    /// <exception cref="InvalidDataException">A file was cut or altered since the corpus was opened.</exception>
    public ReadOnlySpan<ushort> Window(Split split, int species, long index, Span<ushort> buffer) =>
        _shards[(int)split, species].Window(index, buffer);

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        foreach (Shards? shards in _shards) shards?.Dispose();
    }

    private static WindowCounts Count(ShardEntry[] shards) =>
        new(shards.Sum(s => (long)s.Windows), shards.Sum(s => (long)s.Tokens), shards.Sum(s => s.Bases));

    private void OpenShards()
    {
        for (int s = 0; s < Index.Species.Length; s++)
        {
            _shards[0, s] = new Shards(this, Index.Species[s].Training);
            _shards[1, s] = new Shards(this, Index.Species[s].HeldOut);
        }

        if (Species.All(s => s.Training.Windows == 0))
            throw new InvalidDataException(
                $"{Path.Combine(Folder, CorpusIndex.FileName)}: it lists no window for training; {CorpusIndex.Remedy}");
    }

    /// <summary>The shards of one species and split, as one sequence of windows.</summary>
    private sealed class Shards : IDisposable
    {
        private readonly Shard[] _shards;
        private readonly long[] _ends;

        public Shards(Corpus corpus, ShardEntry[] entries)
        {
            (_shards, _ends) = (new Shard[entries.Length], new long[entries.Length]);
            long end = 0;
            int longest = corpus.Options.MaxTokens - WindowFrame.CountOf(corpus.Tokenizer);
            for (int i = 0; i < entries.Length; i++)
            {
                try
                {
                    string path = Path.Combine(corpus.Folder, entries[i].File);
                    _shards[i] = Shard.Open(path, entries[i], longest, corpus.Tokenizer.VocabularySize);
                    _shards[i].Check();
                }
                catch
                {
                    Dispose();
                    throw;
                }

                _ends[i] = end += entries[i].Windows;
            }
        }

        public ReadOnlySpan<ushort> Window(long index, Span<ushort> buffer)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            int found = Array.BinarySearch(_ends, index), shard = found < 0 ? ~found : found + 1;
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(shard, _ends.Length, nameof(index));
            return _shards[shard].Window((int)(index - _ends[shard] + _shards[shard].Windows), buffer);
        }

        public void Dispose()
        {
            foreach (Shard? shard in _shards) shard?.Dispose();
        }
    }
}
