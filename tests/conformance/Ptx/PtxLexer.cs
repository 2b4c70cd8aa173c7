using System.Globalization;

namespace Conformance.Ptx;

internal enum TokenKind { Word, Directive, Integer, Single, Double, Text, Symbol, End }

/// <summary>A token; <see cref="Text"/> of a directive has no leading dot, of a literal it is unused.</summary>
internal readonly record struct Token(TokenKind Kind, string Text, ulong Value, int Line)
{
    public bool Is(char symbol) => Kind == TokenKind.Symbol && Text[0] == symbol;
}

/// <summary>Splits PTX text into tokens. Comments and the line-wise debug directives <c>.loc</c> and <c>.file</c> vanish here.</summary>
internal sealed class PtxLexer(string text)
{
    private int _at;
    private int _line = 1;

    public List<Token> Run()
    {
        var tokens = new List<Token>(text.Length / 4);
        while (SkipBlank())
        {
            char c = text[_at];
            if (c == '.' && (IsWordStart(At(1)) || (char.IsAsciiDigit(At(1)) && At(2) == 'd'))) Directive(tokens);
            else if (IsWordStart(c)) tokens.Add(Word());
            else if (char.IsAsciiDigit(c)) tokens.Add(Number());
            else if (c == '"') tokens.Add(Text());
            else if (",;:{}[]()@!+-<>=|~*".Contains(c, StringComparison.Ordinal))
            {
                tokens.Add(new Token(TokenKind.Symbol, c.ToString(), 0, _line));
                _at++;
            }
            else throw new PtxParseException(_line, $"unexpected character '{c}'");
        }
        tokens.Add(new Token(TokenKind.End, "", 0, _line));
        return tokens;
    }

    private static bool IsWordStart(char c) => char.IsAsciiLetter(c) || c is '_' or '$' or '%';

    private static bool IsWordPart(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '$';

    private bool SkipBlank()
    {
        while (_at < text.Length)
        {
            char c = text[_at];
            if (c == '\n') { _line++; _at++; }
            else if (char.IsWhiteSpace(c) || c == '\uFEFF' || c == '\0') _at++;
            else if (c == '/' && At(1) == '/') SkipLine();
            else if (c == '/' && At(1) == '*') SkipBlockComment();
            else return true;
        }
        return false;
    }

    private char At(int ahead) => _at + ahead < text.Length ? text[_at + ahead] : '\0';

    private void SkipLine()
    {
        while (_at < text.Length && text[_at] != '\n') _at++;
    }

    private void SkipBlockComment()
    {
        int start = _line;
        for (_at += 2; !(At(0) == '*' && At(1) == '/'); _at++)
        {
            if (_at >= text.Length) throw new PtxParseException(start, "a comment is not closed");
            if (text[_at] == '\n') _line++;
        }
        _at += 2;
    }

    private void Directive(List<Token> tokens)
    {
        int start = ++_at;
        while (IsWordPart(At(0)) || (At(0) == ':' && At(1) == ':')) _at += At(0) == ':' ? 2 : 1;
        string name = text[start.._at];
        // Debug directives end with their line, not with a semicolon.
        if (name is "loc" or "file") SkipLine();
        else tokens.Add(new Token(TokenKind.Directive, name, 0, _line));
    }

    private Token Word()
    {
        int start = _at++;
        while (IsWordPart(At(0))) _at++;
        return new Token(TokenKind.Word, text[start.._at], 0, _line);
    }

    private Token Text()
    {
        int start = ++_at;
        while (_at < text.Length && text[_at] != '"') _at++;
        if (_at >= text.Length) throw new PtxParseException(_line, "a string is not closed");
        return new Token(TokenKind.Text, text[start.._at++], 0, _line);
    }

    private Token Number()
    {
        int start = _at;
        char second = char.ToLowerInvariant(At(1));
        if (text[_at] == '0' && second is 'f' or 'd' && TryFloatBits(second == 'f' ? 8 : 16, out ulong bits))
            return new Token(second == 'f' ? TokenKind.Single : TokenKind.Double, "", bits, _line);
        if (text[_at] == '0' && second is 'x' or 'b')
        {
            _at += 2;
            while (char.IsAsciiHexDigit(At(0))) _at++;
            string digits = text[(start + 2).._at];
            SkipUnsignedMark();
            NumberStyles style = second == 'x' ? NumberStyles.AllowHexSpecifier : NumberStyles.AllowBinarySpecifier;
            if (ulong.TryParse(digits, style, CultureInfo.InvariantCulture, out ulong value))
                return new Token(TokenKind.Integer, "", value, _line);
            throw new PtxParseException(_line, $"bad number '{text[start.._at]}'");
        }
        while (char.IsAsciiDigit(At(0)) || At(0) is '.' or 'e' or 'E' || (At(0) is '+' or '-' && text[_at - 1] is 'e' or 'E')) _at++;
        string literal = text[start.._at];
        SkipUnsignedMark();
        if (ulong.TryParse(literal, NumberStyles.None, CultureInfo.InvariantCulture, out ulong integer))
        {
            if (literal.Length > 1 && literal[0] == '0')
                throw new PtxParseException(_line, $"octal literals are not supported: '{literal}'");
            return new Token(TokenKind.Integer, "", integer, _line);
        }
        if (double.TryParse(literal, NumberStyles.Float, CultureInfo.InvariantCulture, out double real))
            return new Token(TokenKind.Double, "", BitConverter.DoubleToUInt64Bits(real), _line);
        throw new PtxParseException(_line, $"bad number '{literal}'");
    }

    private void SkipUnsignedMark()
    {
        if (At(0) == 'U') _at++;
    }

    private bool TryFloatBits(int digits, out ulong bits)
    {
        bits = 0;
        if (_at + 2 + digits > text.Length) return false;
        if (!ulong.TryParse(text.AsSpan(_at + 2, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out bits))
            return false;
        _at += 2 + digits;
        return true;
    }
}
