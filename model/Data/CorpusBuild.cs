using System.Buffers;
using System.Runtime.InteropServices;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Engine.Kernels;

namespace Dnabert2.Training;

/// <summary>The building of a corpus: species after species, record after record, window after window.</summary>
internal sealed class CorpusBuild(
    string folder, BpeTokenizer tokenizer, CorpusOptions options, IProgress<CorpusProgress>? progress, CancellationToken cancellation)
{
    private const uint Site = 0x43555453;
    private static readonly SearchValues<byte> Bases = SearchValues.Create("ACGT"u8);
    private readonly List<int> _ids = [], _starts = [];
    private readonly OpenShard _training = new(), _heldOut = new();
    private long _basesRead, _bytesBefore;
    private int _files;

    public SpeciesEntry[] Run(IReadOnlyList<CorpusSource> sources)
    {
        long bytes = sources.Sum(s => new FileInfo(s.Path).Length);
        string[] names = [.. sources.Select(s => s.Species).Distinct(StringComparer.Ordinal)];
        SpeciesEntry[] species =
            [.. names.Select((name, number) => Species(name, number, [.. sources.Where(s => s.Species == name)], bytes))];
        if (species.Any(s => s.Training.Length > 0)) return species;
        SpeciesEntry first = species[0];
        throw new InvalidDataException(
            $"{string.Join(", ", sources.Select(s => s.Path))}: " +
            $"no usable window of {options.MinBases} to {options.MaxBases} bases for training" +
            $" ({first.Name}: {first.Bases:N0} bases in {first.Records:N0} records, " +
            $"{first.AmbiguousWindows:N0} windows dropped for letters other than A, C, G, T);" +
            " give longer sequences, allow shorter windows or hold out fewer");
    }

    private SpeciesEntry Species(string name, int number, CorpusSource[] sources, long totalBytes)
    {
        var random = new Philox(options.Seed, (uint)number, Site);
        var training = new List<ShardEntry>();
        var heldOut = new List<ShardEntry>();
        var counts = new Counts { Due = random.Block(ulong.MaxValue).X / 4294967296.0 };
        foreach (CorpusSource source in sources)
        {
            var reading = new SequenceOptions { OnAmbiguous = AmbiguousBases.Unknown };
            using SequenceReader reader = SequenceReader.Open(source.Path, reading, cancellation);
            while (reader.TryRead(out SequenceRecord? record))
            {
                counts.Records++;
                Cut(record.Sequence, random, counts, training, heldOut);
                Cut(record.SecondSequence, random, counts, training, heldOut);
                _basesRead += record.Length + record.SecondLength;
                progress?.Report(new CorpusProgress(name, _basesRead, (double)(_bytesBefore + reader.BytesRead) / Math.Max(1, totalBytes)));
            }

            _bytesBefore += reader.BytesRead;
        }

        Close(_training, training);
        Close(_heldOut, heldOut);
        return new SpeciesEntry(
            name, counts.Records, counts.Bases, counts.AmbiguousWindows, counts.AmbiguousBases, counts.Rest, [.. training], [.. heldOut]);
    }

    /// <summary>
    /// Tiles a sequence with windows; the length of each comes from a block of the random stream of its own.
    /// </summary>
    private void Cut(ReadOnlySpan<byte> sequence, Philox random, Counts counts, List<ShardEntry> training, List<ShardEntry> heldOut)
    {
        counts.Bases += sequence.Length;
        while (sequence.Length >= options.MinBases)
        {
            cancellation.ThrowIfCancellationRequested();
            (uint x, _, _, _) = random.Block(counts.Windows++);
            int length = options.MinBases + (int)(((ulong)x * (ulong)(options.MaxBases - options.MinBases + 1)) >> 32);
            length = Math.Min(length, sequence.Length);
            ReadOnlySpan<byte> window = sequence[..length];
            if (window.ContainsAnyExcept(Bases))
            {
                counts.AmbiguousWindows++;
                counts.AmbiguousBases += length;
            }
            else
            {
                bool isHeld = counts.NextIsHeldOut(options);
                length = Add(window, isHeld ? _heldOut : _training, isHeld ? heldOut : training);
            }

            sequence = sequence[length..];
        }

        counts.Rest += sequence.Length;
    }

    /// <summary>Tokenises a window and adds it to a shard; returns the bases that found room in its tokens.</summary>
    private int Add(ReadOnlySpan<byte> window, OpenShard shard, List<ShardEntry> written)
    {
        _ids.Clear();
        _starts.Clear();
        tokenizer.EncodeSequence(window, _ids, _starts);
        int room = options.MaxTokens - 2, length = window.Length;
        ReadOnlySpan<int> ids = CollectionsMarshal.AsSpan(_ids);
        if (ids.Length > room)
        {
            length = _starts[room];
            ids = ids[..room];
        }

        if (shard.Tokens.Count + ids.Length > options.ShardTokens) Close(shard, written);
        foreach (int id in ids) shard.Tokens.Add((ushort)id);
        shard.Borders.Add((uint)shard.Tokens.Count);
        shard.Bases += length;
        return length;
    }

    private void Close(OpenShard shard, List<ShardEntry> written)
    {
        if (shard.Tokens.Count > 0)
        {
            ReadOnlySpan<uint> borders = CollectionsMarshal.AsSpan(shard.Borders);
            written.Add(Shard.Write(folder, $"shard-{_files++:D5}.bin", borders, CollectionsMarshal.AsSpan(shard.Tokens), shard.Bases));
        }

        shard.Clear();
    }

    private sealed class Counts
    {
        public long Records, Bases, AmbiguousWindows, AmbiguousBases, Rest, Used;
        public ulong Windows;

        /// <summary>Begins at a random phase; whenever it reaches 1, a window is held out.</summary>
        public double Due;

        /// <summary>
        /// Holds out evenly spaced windows, so that every species has some: a genome of few windows gives up to a quarter of them.
        /// </summary>
        public bool NextIsHeldOut(CorpusOptions options)
        {
            Used++;
            if (options.HeldOut == 0) return false;
            Due += Math.Max(options.HeldOut, Math.Min(CorpusOptions.SmallHeldOut, CorpusOptions.SmallWindows / Used));
            if (Due < 1) return false;
            Due--;
            return true;
        }
    }

    /// <summary>A shard that is still being filled.</summary>
    private sealed class OpenShard
    {
        public List<ushort> Tokens { get; } = [];

        public List<uint> Borders { get; } = [0];

        public long Bases { get; set; }

        public void Clear()
        {
            Tokens.Clear();
            Borders.Clear();
            Borders.Add(0);
            Bases = 0;
        }
    }
}
