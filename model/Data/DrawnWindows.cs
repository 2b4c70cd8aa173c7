using System.Runtime.InteropServices;
using System.Text;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Kernels;

namespace Dnabert2.Data;

/// <summary>
/// Windows of a corpus as training draws them: from either strand, or cut into tokens in other ways. What is drawn of a sample depends on
/// seed and number alone. Of more tokens than a window may have the end is left out.
/// </summary>
internal sealed class DrawnWindows
{
    private const uint Site = 0x57494E44;
    private readonly ISequenceTokenizer _tokenizer;
    private readonly PretrainOptions _options;
    private readonly byte[][] _letters;
    private readonly List<byte> _bases = [];
    private readonly List<int> _ids = [];
    private readonly ushort[] _window;

    private DrawnWindows(ISequenceTokenizer tokenizer, PretrainOptions options, int most)
    {
        (_tokenizer, _options, _window) = (tokenizer, options, new ushort[most]);
        _letters = [.. Enumerable.Range(0, tokenizer.VocabularySize).Select(id => Encoding.ASCII.GetBytes(tokenizer.Token(id)))];
    }

    /// <summary>Such windows, or null where nothing is to be drawn.</summary>
    /// <param name="tokenizer">The corpus' tokenizer.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="most">The most tokens of a window, without special ones.</param>
    public static DrawnWindows? Of(ISequenceTokenizer tokenizer, PretrainOptions options, int most) =>
        options.AugmentReverseComplement || options.BpeDropout > 0 ? new DrawnWindows(tokenizer, options, most) : null;

    /// <summary>A window drawn anew.</summary>
    /// <param name="number">The number of the sample.</param>
    /// <param name="window">Its tokens in the corpus; they have no unknown bases.</param>
    /// <returns>Its tokens, until the next is drawn.</returns>
    public ReadOnlySpan<ushort> Draw(long number, ReadOnlySpan<ushort> window)
    {
        (uint strand, uint low, uint high, _) = new Philox(_options.Seed, (uint)(number >> 32), Site).Block((uint)number);
        _bases.Clear();
        foreach (ushort id in window) _bases.AddRange(_letters[id].AsSpan(_bases.Count == 0 ? 0 : _tokenizer.Overlap));
        ReadOnlySpan<byte> bases = CollectionsMarshal.AsSpan(_bases);
        if (_options.AugmentReverseComplement && (strand & 1) != 0) bases = ReverseComplement.Of(bases);
        _ids.Clear();
        if (_options.BpeDropout > 0)
            ((BpeTokenizer)_tokenizer).EncodeWithDropout(bases, _options.BpeDropout, ((ulong)high << 32) | low, _ids);
        else _tokenizer.EncodeSequence(bases, _ids);
        int length = Math.Min(_ids.Count, _window.Length);
        for (int i = 0; i < length; i++) _window[i] = (ushort)_ids[i];
        return _window.AsSpan(0, length);
    }
}
