using System.Text;
using System.Text.Unicode;

namespace Dnabert2.Sequences;

/// <summary>Turns text from a file, such as a name, into a string that is given out again as the same bytes, or refuses it.</summary>
internal static class FileText
{
    /// <summary>The text of a name or field.</summary>
    /// <param name="bytes">What stands in the file.</param>
    /// <param name="faults">Words the error.</param>
    /// <param name="line">The line it stands on.</param>
    /// <param name="what">What it is, in errors: "the header line".</param>
    /// <exception cref="InvalidDataException">It is not UTF-8, or holds a zero byte.</exception>
    public static string Decode(ReadOnlySpan<byte> bytes, Faults faults, long line, string what)
    {
        RefuseZeros(bytes, faults, line, what);
        if (!Utf8.IsValid(bytes))
            throw faults.Line(
                line, $"{what} is not UTF-8 text: '{Faults.Show(Encoding.Latin1.GetString(bytes))}' if it is Latin-1",
                "Convert the file, naming the encoding it has: iconv -f LATIN1 -t UTF-8 old > new");
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>Text that names nothing: bytes that are not UTF-8 are read as Latin-1.</summary>
    /// <exception cref="InvalidDataException">It holds a zero byte.</exception>
    public static string DecodeRemark(ReadOnlySpan<byte> bytes, Faults faults, long line, string what)
    {
        RefuseZeros(bytes, faults, line, what);
        return (Utf8.IsValid(bytes) ? Encoding.UTF8 : Encoding.Latin1).GetString(bytes);
    }

    private static void RefuseZeros(ReadOnlySpan<byte> bytes, Faults faults, long line, string what)
    {
        if (bytes.Contains((byte)0))
            throw faults.Line(line, $"{what} holds a zero byte: this is binary data", "Give the file as text, gzipped or not");
    }
}
