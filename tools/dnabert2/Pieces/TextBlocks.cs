using System.Text.Json;
using Dnabert2.Tool.Output;

namespace Dnabert2.Tool.Pieces;

/// <summary>Lines of text, the first of which may name columns.</summary>
/// <param name="rows">What is flushed when a block ends; null where nothing is written.</param>
internal sealed class TextBlocks(RowWriter? rows) : IBlockFormat
{
    /// <summary>Its name in the records of pieces.</summary>
    public const string Name = "text";

    public bool HoldsRecord => false;

    public string EndBlock()
    {
        rows?.Flush();
        return "";
    }

    public ReadOnlyMemory<byte> Head(long bytes) => default;

    public ReadOnlyMemory<byte> End(long head, IReadOnlyList<string> notes) => default;

    public void Describe(Utf8JsonWriter json) => json.WriteString("format", Name);
}
