using System.Text.Json;
using Dnabert2.Tool.Output;

namespace Dnabert2.Tool.Pieces;

/// <summary>A matrix of numbers behind a head that gives their shape: .npy or .safetensors.</summary>
/// <param name="stream">What rows are written to; null where nothing is written.</param>
/// <param name="name">The one or the other, as in <see cref="Names"/>.</param>
/// <param name="width">Numbers of a row.</param>
/// <param name="half">Whether they have 16 bits.</param>
/// <param name="bothStrands">Whether they are averages over both strands.</param>
internal sealed class MatrixBlocks(Stream? stream, string name, int width, bool half, bool bothStrands) : IBlockFormat
{
    private const string Npy = "npy", Safetensors = "safetensors";

    /// <summary>The formats in the records of pieces.</summary>
    public static string[] Names { get; } = [Npy, Safetensors];

    public bool HoldsRecord => false;

    /// <summary>Writes the head of a matrix without rows.</summary>
    public void Begin() => stream!.Write(Head(0).Span);

    /// <summary>Writes a row, or a part of one.</summary>
    public void Write(ReadOnlySpan<byte> numbers) => stream!.Write(numbers);

    public string EndBlock() => "";

    public ReadOnlyMemory<byte> Head(long bytes)
    {
        long rows = bytes / (width * (half ? 2L : 4L));
        return name == Npy ? MatrixHeader.Npy(rows, width, half) : MatrixHeader.Safetensors(rows, width, bothStrands, half);
    }

    public ReadOnlyMemory<byte> End(long head, IReadOnlyList<string> notes) => default;

    public void Describe(Utf8JsonWriter json)
    {
        json.WriteString("format", name);
        json.WriteNumber("width", width);
        json.WriteBoolean("half", half);
        json.WriteBoolean("both_strands", bothStrands);
    }
}
