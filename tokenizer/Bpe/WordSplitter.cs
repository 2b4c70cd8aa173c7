using System.Globalization;
using System.Text;

namespace Dnabert2.Tokenizers;

/// <summary>What the Whitespace pre-tokenizer, <c>\w+|[^\w\s]+</c>, sees in a character.</summary>
internal enum CharacterClass { Space, Word, Other }

/// <summary>The character classes of the regular expression <c>\w+|[^\w\s]+</c>, as Unicode's technical standard 18 defines them.</summary>
internal static class WordSplitter
{
    /// <summary>The class of one character.</summary>
    public static CharacterClass ClassOf(Rune rune)
    {
        if (rune.IsAscii)
        {
            char c = (char)rune.Value;
            if (char.IsAsciiLetterOrDigit(c) || c == '_') return CharacterClass.Word;
            return c is ' ' or (>= '\t' and <= '\r') ? CharacterClass.Space : CharacterClass.Other;
        }
        if (Rune.IsWhiteSpace(rune)) return CharacterClass.Space;
        return IsWord(rune) ? CharacterClass.Word : CharacterClass.Other;
    }

    /// <summary>\w: alphabetic, marks, decimal digits, connector punctuation and the two joiners.</summary>
    private static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter or UnicodeCategory.LetterNumber
            or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
            or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation => true,
        // Symbols with the property Other_Alphabetic: circled, squared and negative letters.
        UnicodeCategory.OtherSymbol => rune.Value is (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149)
            or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189),
        _ => rune.Value is 0x200C or 0x200D,
    };
}
