using Dnabert2.Sequences;

namespace Dnabert2.Tool.Output;

/// <summary>Where the tokens of records go.</summary>
internal interface ITokenOutput
{
    /// <summary>Writes the tokens of a record.</summary>
    void Write(SequenceRecord record);
}
