using Dnabert2.Sequences;
using Dnabert2.Tokenizers;

namespace Dnabert2.Tool.Verbs;

/// <summary>The sequences of several files, with progress over all of them.</summary>
/// <param name="paths">The files.</param>
/// <param name="options">How they are read.</param>
/// <param name="terminal">Where progress is shown.</param>
/// <param name="quiet">Whether none is.</param>
internal sealed class TrainingSequences(string[] paths, SequenceOptions options, Terminal terminal, bool quiet)
{
    /// <summary>The longest piece given at once, so that an interruption does not wait for a chromosome.</summary>
    private const int PieceLength = 1 << 20;

    // What was left out is said when the files are read first.
    private bool _said;

    /// <summary>Gives all sequences to a trainer.</summary>
    public void AddTo(BpeTrainer trainer)
    {
        foreach (SequenceRecord record in Records("added"))
        {
            trainer.Add(record.Sequence);
            if (record.HasSecond) trainer.Add(record.SecondSequence);
        }
    }

    /// <summary>All sequences in pieces, each valid until the next.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> Pieces()
    {
        byte[] piece = new byte[PieceLength];
        foreach (SequenceRecord record in Records("measured"))
        {
            for (int start = 0; start < record.Length; start += PieceLength) yield return Take(record.Sequence[start..]);
            for (int start = 0; start < record.SecondLength; start += PieceLength) yield return Take(record.SecondSequence[start..]);
        }

        ReadOnlyMemory<byte> Take(ReadOnlySpan<byte> sequence)
        {
            terminal.Cancellation.ThrowIfCancellationRequested();
            sequence = sequence[..Math.Min(sequence.Length, PieceLength)];
            sequence.CopyTo(piece);
            return piece.AsMemory(0, sequence.Length);
        }
    }

    /// <summary>The names of the files.</summary>
    public override string ToString() => string.Join(", ", paths);

    private IEnumerable<SequenceRecord> Records(string what)
    {
        using var progress = new ProgressLine(terminal, quiet, "bases");
        long total = 0, before = 0, records = 0, bases = 0;
        foreach (string path in paths) total += File.Exists(path) ? new FileInfo(path).Length : 0;
        foreach (string path in paths)
        {
            using SequenceReader reader = Shared.Open(path, options, terminal);
            foreach (SequenceRecord record in Shared.Records(reader))
            {
                yield return record;
                records++;
                bases += record.Length + record.SecondLength;
                if (progress.IsDue)
                    progress.Show(
                        $"{Shared.Count(records, "record")} {what}", bases, total > 0 ? (double)(before + reader.BytesRead) / total : null);
            }

            before += reader.BytesRead;
            if (!_said) Shared.WarnOfLeftOut(reader, terminal);
        }

        _said = true;
    }
}
