using System.Text;

namespace Dnabert2;

/// <summary>Text that comes from files, in pictures and pages.</summary>
internal static class XmlText
{
    /// <summary>Text as XML and HTML hold it: what marks them up is escaped, and what XML 1.0 forbids is '?'.</summary>
    public static string Of(string text)
    {
        var escaped = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (rune.Value is '<' or '>' or '&' or '"' or '\'') escaped.Append($"&#{rune.Value};");
            else escaped.Append(Rune.IsControl(rune) || rune.Value is 0xFFFE or 0xFFFF ? "?" : rune.ToString());
        }

        return escaped.ToString();
    }
}
