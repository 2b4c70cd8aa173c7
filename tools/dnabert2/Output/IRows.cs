namespace Dnabert2.Tool.Output;

/// <summary>Takes the rows of a table, the first of which has the names of the columns.</summary>
internal interface IRows
{
    /// <summary>Adds a field.</summary>
    void Add(ReadOnlySpan<char> text);

    /// <summary>Adds a whole number.</summary>
    void Add(long value);

    /// <summary>Adds numbers, each a field.</summary>
    void Add(ReadOnlySpan<float> values);

    /// <summary>Ends the row.</summary>
    void EndRow();

    /// <summary>Hands everything on, when the last row is ended.</summary>
    void Flush();
}
