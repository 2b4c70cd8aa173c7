using System.Text;
using Dnabert2.Sequences;

namespace Dnabert2;

/// <summary>Sequences given as strings, as the records of a file of one sequence a line.</summary>
internal static class SequencesInMemory
{
    /// <summary>The records, whose numbers are the places of the sequences, from 1.</summary>
    /// <param name="sequences">Bases; lower case and U are understood.</param>
    /// <param name="onAmbiguous">What happens to bases that are not known exactly.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <param name="name">What they are called in messages.</param>
    /// <exception cref="InvalidDataException">
    /// A sequence is empty or holds a letter that is not a nucleotide; the message names it.
    /// </exception>
    public static IEnumerable<SequenceRecord> Read(
        IReadOnlyList<string> sequences, AmbiguousBases onAmbiguous, CancellationToken cancellation, string name = "sequences")
    {
        if (sequences.Count == 0) yield break;
        using var stream = new MemoryStream(Lines(sequences));
        var reading = new SequenceOptions { Format = SequenceFormat.Lines, OnAmbiguous = onAmbiguous, OnEmpty = EmptyRecords.Error };
        foreach (SequenceRecord record in SequenceReader.Read(stream, name, reading, cancellation)) yield return record;
    }

    /// <summary>A line for each sequence.</summary>
    private static byte[] Lines(IReadOnlyList<string> sequences)
    {
        long length = 0;
        for (int i = 0; i < sequences.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(sequences[i]) || sequences[i].AsSpan().ContainsAny('\r', '\n'))
                throw new InvalidDataException($"sequence {i} is empty or has a line break in it");
            length += sequences[i].Length + 1;
        }

        byte[] lines = new byte[length];
        int end = 0;
        for (int i = 0; i < sequences.Count; i++)
        {
            end += Encoding.Latin1.GetBytes(sequences[i], lines.AsSpan(end));
            lines[end++] = (byte)'\n';
        }

        return lines;
    }
}
