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
/// <param name="stream">Where it goes.</param>
internal sealed class BedGraphTrack(Stream stream) : IBaseTrack
{
    private readonly RowWriter _row = new(stream, '\t');

    /// <inheritdoc/>
    public void Add(string contig, long at, float value)
    {
        _row.Add(contig);
        _row.Add(at);
        _row.Add(at + 1);
        _row.Add([value]);
        _row.EndRow();
    }

    /// <inheritdoc/>
    public void Finish() => _row.Flush();
}
