namespace Dnabert2.Sequences;

/// <summary>Where bases come from, as far as messages and memory need to know.</summary>
internal interface IBasePosition
{
    /// <summary>The line of the next byte, from 1; 0 where lines are not known.</summary>
    long Line { get; }

    /// <summary>The column of the next byte in its line, in bytes from 1.</summary>
    long Column { get; }

    /// <summary>About how many bytes are still to come; null where unknown.</summary>
    long? Remaining { get; }
}

/// <summary>Gives records, one after the other, into a draft and a base buffer.</summary>
internal interface IRecordSource
{
    /// <summary>The names of the columns, in the layouts that have a header line.</summary>
    string[] Columns { get; }

    /// <summary>Whether records have two sequences.</summary>
    bool IsOfPairs { get; }

    /// <summary>Reads the next record; false at the end of the input.</summary>
    bool TryRead();
}
