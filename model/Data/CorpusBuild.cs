using System.Buffers;
using System.Runtime.InteropServices;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Kernels;

namespace Dnabert2.Data;

/// <summary>The building of a corpus: species after species, record after record, window after window.</summary>
internal sealed class CorpusBuild(
    RunFolder folder, ISequenceTokenizer tokenizer, CorpusOptions options, IProgress<CorpusProgress>? progress,
    CancellationToken cancellation)
{
    // By estimate, the part of the work that is reading and cutting, where windows are compared afterwards.
    private const double Cutting = 0.4;
    private const uint Site = 0x43555453;
    private static readonly SearchValues<byte> Bases = SearchValues.Create("ACGT"u8);
    private readonly List<int> _ids = [], _starts = [];
    private readonly OpenShard _training = new(), _heldOut = new();
    private readonly ushort[] _window = new ushort[options.MaxTokens];
    private readonly int _room = options.MaxTokens - WindowFrame.CountOf(tokenizer);
    private readonly bool _compares = options.HeldOut > 0 && options.RepeatBases > 0;
    private long _basesRead, _bytesBefore;
    private int _files;

    public SpeciesEntry[] Run(IReadOnlyList<CorpusSource> sources)
    {
        long bytes = sources.Sum(s => new FileInfo(s.Path).Length);
        string[] names = [.. sources.Select(s => s.Species).Distinct(StringComparer.Ordinal)];
        ILookup<string, CorpusSource> byName = sources.ToLookup(s => s.Species, StringComparer.Ordinal);
        SpeciesEntry[] species = [.. names.Select((name, number) => Species(name, number, [.. byName[name]], bytes))];
        if (species.Any(s => s.Training.Length > 0)) return LeaveOutRepeats(species);
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
            var reading = new SequenceOptions
            {
                OnAmbiguous = AmbiguousBases.Unknown,
                OnEmpty = options.OnEmpty,
                SequenceColumn = source.SequenceColumn,
                SecondSequenceColumn = source.SecondSequenceColumn,
            };
            using SequenceReader reader = SequenceReader.Open(source.Path, reading, cancellation);
            while (reader.TryRead(out SequenceRecord? record))
            {
                counts.Records++;
                Cut(record.Sequence, random, counts, training, heldOut);
                Cut(record.SecondSequence, random, counts, training, heldOut);
                _basesRead += record.Length + record.SecondLength;
                double share = (double)(_bytesBefore + reader.BytesRead) / Math.Max(1, totalBytes);
                progress?.Report(new CorpusProgress(name, _basesRead, _compares ? Cutting * share : share));
            }

            _bytesBefore += reader.BytesRead;
            double done = (double)_bytesBefore / Math.Max(1, totalBytes);
            foreach (string note in reader.Notes())
                progress?.Report(new CorpusProgress(name, _basesRead, _compares ? Cutting * done : done) { Note = note });
        }

        Close(_training, training);
        Close(_heldOut, heldOut);
        return new SpeciesEntry(
            name, counts.Records, counts.Bases, counts.AmbiguousWindows, counts.AmbiguousBases, counts.Rest,
            RepeatedWindows: 0, RepeatedBases: 0, [.. training], [.. heldOut]);
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
        int length = window.Length;
        ReadOnlySpan<int> ids = CollectionsMarshal.AsSpan(_ids);
        if (ids.Length > _room)
        {
            length = _starts[_room] + tokenizer.Overlap;
            ids = ids[.._room];
        }

        if (shard.Tokens.Count + ids.Length > options.ShardTokens) Close(shard, written);
        foreach (int id in ids) shard.Tokens.Add((ushort)id);
        shard.End(length);
        return length;
    }

    /// <summary>Takes the held-out windows that repeat a training window out of their shards.</summary>
    private SpeciesEntry[] LeaveOutRepeats(SpeciesEntry[] species)
    {
        if (!_compares) return species;
        var runs = new SharedRuns(options.RepeatBases, tokenizer, species.Sum(s => s.HeldOut.Sum(t => t.Bases)));
        foreach (ShardEntry entry in species.SelectMany(s => s.HeldOut))
        {
            using Shard shard = Open(entry);
            for (int i = 0; i < shard.Windows; i++) runs.AddHeldOut(shard.Window(i, _window));
        }

        long compared = 0, all = species.Sum(s => s.Training.Sum(t => (long)t.Windows));
        foreach ((string name, ShardEntry entry) in species.SelectMany(s => s.Training.Select(t => (s.Name, t))))
        {
            using Shard shard = Open(entry);
            for (int i = 0; i < shard.Windows; i++, compared++)
            {
                cancellation.ThrowIfCancellationRequested();
                runs.Compare(shard.Window(i, _window));
                if (compared % 1000 != 0) continue;
                double share = Cutting + ((1 - Cutting) * compared / all);
                progress?.Report(new CorpusProgress(name, _basesRead, share, Comparing: true));
            }
        }

        return [.. species.Select(s => WithoutRepeats(s, runs))];
    }

    private SpeciesEntry WithoutRepeats(SpeciesEntry species, SharedRuns runs)
    {
        var left = new List<ShardEntry>();
        foreach (ShardEntry entry in species.HeldOut)
        {
            _heldOut.Clear();
            using (Shard shard = Open(entry))
            {
                for (int i = 0; i < shard.Windows; i++)
                {
                    ReadOnlySpan<ushort> window = shard.Window(i, _window);
                    if (runs.IsShared(window)) continue;
                    _heldOut.Tokens.AddRange(window);
                    _heldOut.End(BasesOf(window));
                }
            }

            folder.Disk.Delete(Path.Combine(folder.Path, entry.File));
            if (_heldOut.Tokens.Count > 0) left.Add(_heldOut.Write(folder, entry.File));
        }

        return species with
        {
            RepeatedWindows = species.HeldOut.Sum(s => (long)s.Windows) - left.Sum(s => (long)s.Windows),
            RepeatedBases = species.HeldOut.Sum(s => s.Bases) - left.Sum(s => s.Bases),
            HeldOut = [.. left],
        };
    }

    private int BasesOf(ReadOnlySpan<ushort> window)
    {
        int bases = -tokenizer.Overlap * (window.Length - 1);
        // One that the tokenizer does not know is one base.
        foreach (ushort token in window) bases += tokenizer.IsSpecial(token) ? 1 : tokenizer.Token(token).Length;
        return bases;
    }

    private Shard Open(ShardEntry entry) =>
        Shard.Open(Path.Combine(folder.Path, entry.File), entry, _room, tokenizer.VocabularySize);

    private void Close(OpenShard shard, List<ShardEntry> written)
    {
        if (shard.Tokens.Count > 0) written.Add(shard.Write(folder, $"shard-{_files++:D5}.bin"));
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
        private long _bases;

        public List<ushort> Tokens { get; } = [];

        public List<uint> Borders { get; } = [0];

        /// <summary>Ends a window of so many bases.</summary>
        public void End(int bases)
        {
            Borders.Add((uint)Tokens.Count);
            _bases += bases;
        }

        public ShardEntry Write(RunFolder folder, string name) =>
            Shard.Write(folder, name, CollectionsMarshal.AsSpan(Borders), CollectionsMarshal.AsSpan(Tokens), _bases);

        public void Clear()
        {
            Tokens.Clear();
            Borders.Clear();
            Borders.Add(0);
            _bases = 0;
        }
    }
}
