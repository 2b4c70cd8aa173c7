namespace Dnabert2.Tool.Output;

/// <summary>A value for each base, for genome browsers.</summary>
internal interface IBaseTrack
{
    /// <summary>Adds the value of a base.</summary>
    /// <param name="contig">Its sequence.</param>
    /// <param name="at">Its place, counted from 0.</param>
    /// <param name="value">A number.</param>
    /// <exception cref="InvalidDataException">It does not lie behind the one before, where the format wants them in order.</exception>
    void Add(string contig, long at, float value);

    /// <summary>Writes what is left.</summary>
    void Finish();
}

/// <summary>bedGraph: a line for each base.</summary>
/// <param name="row">Where its fields go.</param>
internal sealed class BedGraphTrack(RowWriter row) : IBaseTrack
{
    /// <inheritdoc/>
    public void Add(string contig, long at, float value)
    {
        row.Add(contig);
        row.Add(at);
        row.Add(at + 1);
        row.Add([value]);
        row.EndRow();
    }

    /// <inheritdoc/>
    public void Finish() => row.Flush();
}
