using System.Buffers;
using System.Text;

namespace Dnabert2.Tokenizers;

/// <summary>
/// How the ASCII characters of a sequence are taken by the linear-time encoder, and which of them it leaves to the general one.
/// </summary>
internal sealed class SequenceRules
{
    private readonly bool _splitsWords;

    public SequenceRules(TokenizerParts parts)
    {
        _splitsWords = parts.SplitsWords;
        var alphabet = new List<byte>();
        var unusual = new List<byte>();
        for (int b = 0; b < 256; b++)
        {
            bool known = b < 128 && parts.Model.Symbol(new Rune((char)b)) >= 0;
            bool joins = b < 128 && (!_splitsWords || WordSplitter.ClassOf(new Rune((char)b)) == CharacterClass.Word);
            bool beginsAdded = parts.Added.All.Any(token => token.Content[0] == b);
            if (known && joins && !beginsAdded) alphabet.Add((byte)b);
            // Left over: what may begin an added token, known characters that make words of their own, unknown ones that are dropped.
            else if (beginsAdded || (known && !IsSpace((byte)b)) || (parts.Model.UnknownId < 0 && !IsSpace((byte)b))) unusual.Add((byte)b);
        }
        Unusual = SearchValues.Create([.. unusual]);
        Fast = CompiledBpe.TryCompile(parts.Model, [.. alphabet]);
    }

    /// <summary>The characters that the general encoder has to take, with all that is around them.</summary>
    public SearchValues<byte> Unusual { get; }

    /// <summary>The encoder for the rest, or null where the vocabulary does not allow it.</summary>
    public CompiledBpe? Fast { get; }

    /// <summary>Whether the character only separates words.</summary>
    public bool IsSpace(byte b) => _splitsWords && b is (byte)' ' or (>= (byte)'\t' and <= (byte)'\r');
}
