namespace Dnabert2.Sequences;

/// <summary>
/// Refuses protein that is spelt with nucleotide codes only. Of the letters of DNA few are codes for two or three bases (R Y S W K M B D H
/// V): where they are more than half of a sequence of ten letters, or of a hundred of the first letters of the file, it is none.
/// A, C, G, T, U, N and X are no such codes.
/// </summary>
internal sealed class ProteinCheck(Faults faults)
{
    private const int FewestOfSequence = 10, FewestOfFile = 100, FirstOfFile = 100_000;
    private long _letters, _codes;

    /// <summary>Counts the letters of a sequence of the current record, and how many of them are codes.</summary>
    /// <exception cref="InvalidDataException">More than half of them are.</exception>
    public void Add(long letters, long codes)
    {
        if (letters >= FewestOfSequence && 2 * codes > letters) throw Fault($"{codes} of {letters} letters");
        if (_letters > FirstOfFile) return;
        _letters += letters;
        _codes += codes;
        if (_letters >= FewestOfFile && 2 * _codes > _letters) throw Fault($"up to here, {_codes} of {_letters} letters of the file");
    }

    private InvalidDataException Fault(string which) => faults.Record(
        $"{which} are codes for several bases (R Y S W K M B D H V): this looks like protein",
        "Give the DNA or RNA sequence, with N for bases that are not known");
}
