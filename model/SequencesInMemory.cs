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
    /// <exception cref="InvalidDataException">
    /// A sequence is empty or holds a letter that is not a nucleotide; the message names it.
    /// </exception>
    public static IEnumerable<SequenceRecord> Read(
        IReadOnlyList<string> sequences, AmbiguousBases onAmbiguous, CancellationToken cancellation)
    {
        if (sequences.Count == 0) yield break;
        var lines = new StringBuilder();
        for (int i = 0; i < sequences.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(sequences[i]) || sequences[i].AsSpan().ContainsAny('\r', '\n'))
                throw new InvalidDataException($"sequence {i} is empty or has a line break in it");
            lines.Append(sequences[i]).Append('\n');
        }

        using var stream = new MemoryStream(Encoding.Latin1.GetBytes(lines.ToString()));
        var reading = new SequenceOptions { Format = SequenceFormat.Lines, OnAmbiguous = onAmbiguous, OnEmpty = EmptyRecords.Error };
        foreach (SequenceRecord record in SequenceReader.Read(stream, nameof(sequences), reading, cancellation)) yield return record;
    }
}
