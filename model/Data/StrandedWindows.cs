using System.Runtime.InteropServices;
using System.Text;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Kernels;

namespace Dnabert2.Data;

/// <summary>
/// Windows of a corpus from either strand, as training draws them: the strand of a sample depends on seed and number alone. Where the other
/// one has more tokens than a window may have, its end is left out.
/// </summary>
internal sealed class StrandedWindows
{
    private const uint Site = 0x57494E44;
    private readonly ISequenceTokenizer _tokenizer;
    private readonly ulong _seed;
    private readonly byte[][] _letters;
    private readonly List<byte> _bases = [];
    private readonly List<int> _ids = [];
    private readonly ushort[] _window;

    private StrandedWindows(ISequenceTokenizer tokenizer, ulong seed, int most)
    {
        (_tokenizer, _seed, _window) = (tokenizer, seed, new ushort[most]);
        _letters = [.. Enumerable.Range(0, tokenizer.VocabularySize).Select(id => Encoding.ASCII.GetBytes(tokenizer.Token(id)))];
    }

    /// <summary>Such windows, or null where each is taken as it is.</summary>
    /// <param name="tokenizer">The corpus' tokenizer.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="most">The most tokens of a window, without special ones.</param>
    public static StrandedWindows? Of(ISequenceTokenizer tokenizer, PretrainOptions options, int most) =>
        options.AugmentReverseComplement ? new StrandedWindows(tokenizer, options.Seed, most) : null;

    /// <summary>A window from the strand that is drawn for a sample.</summary>
    /// <param name="number">The number of the sample.</param>
    /// <param name="window">Its tokens in the corpus; they have no unknown bases.</param>
    /// <returns>Its tokens, until the next is drawn.</returns>
    public ReadOnlySpan<ushort> Draw(long number, ReadOnlySpan<ushort> window)
    {
        if ((new Philox(_seed, (uint)(number >> 32), Site).Block((uint)number).X & 1) == 0) return window;
        _bases.Clear();
        foreach (ushort id in window) _bases.AddRange(_letters[id].AsSpan(_bases.Count == 0 ? 0 : _tokenizer.Overlap));
        _ids.Clear();
        _tokenizer.EncodeSequence(ReverseComplement.Of(CollectionsMarshal.AsSpan(_bases)), _ids);
        int length = Math.Min(_ids.Count, _window.Length);
        for (int i = 0; i < length; i++) _window[i] = (ushort)_ids[i];
        return _window.AsSpan(0, length);
    }
}
