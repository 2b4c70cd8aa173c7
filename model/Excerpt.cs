namespace Dnabert2;

/// <summary>What messages repeat of a file or of what was typed: its beginning, without control characters.</summary>
internal static class Excerpt
{
    private const int Longest = 60, MostNames = 8;

    /// <summary>The beginning of a text.</summary>
    public static string Of(string text) => string.Create(Math.Min(text.Length, Longest + 1), text, static (shown, text) =>
    {
        for (int i = 0; i < shown.Length; i++) shown[i] = char.IsControl(text[i]) ? '?' : text[i];
        if (text.Length > Longest) shown[^1] = '…';
    });

    /// <summary>The first ones of some names, and how many there are where these are not all.</summary>
    public static string Of(IReadOnlyCollection<string> names, string separator = ", ") =>
        string.Join(separator, names.Take(MostNames).Select(Of)) + (names.Count > MostNames ? $"{separator}… ({names.Count} in all)" : "");
}
