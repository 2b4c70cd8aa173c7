using System.Text;
using Dnabert2.FineTuning;
using Dnabert2.Tokenizers;
using Tests.Tools;

namespace Tests.FineTuning;

public class TokenSequencesTests
{
    private static readonly BpeTokenizer Tokenizer = BpeTokenizer.Load(ToyModel.TokenizerPath);

    [Fact]
    public void Short_sequences_are_as_the_tokenizer_encodes_them_and_long_ones_keep_their_beginning()
    {
        const string text = "ACGTTGCATTGACCAGGGATTTACCCATTGNACGT";
        int[] whole = Tokenizer.Encode(text).Ids.ToArray();
        for (int max = 4; max < whole.Length + 3; max++)
        {
            var sequences = new TokenSequences(Tokenizer, max);
            bool tooLong = whole.Length > max;
            Assert.Equal(tooLong, sequences.Add(Encoding.ASCII.GetBytes(text)));
            Assert.Equal(tooLong ? [.. whole[..(max - 1)], whole[^1]] : whole, sequences[0].ToArray());
            Assert.Equal((1, tooLong ? 1 : 0), (sequences.Count, sequences.Truncated));
        }
    }

    /// <summary>As Hugging Face's "longest first": the shorter one is cut when both would be of one length.</summary>
    [Theory]
    [InlineData(10, 4, 12, 5, 4)]
    [InlineData(4, 10, 12, 4, 5)]
    [InlineData(10, 10, 12, 4, 5)]
    [InlineData(3, 10, 9, 3, 3)]
    [InlineData(3, 2, 99, 3, 2)]
    [InlineData(1, 9, 6, 1, 2)]
    public void Of_a_pair_the_longer_one_gives_way_first(int first, int second, int max, int keptFirst, int keptSecond)
    {
        // N is a token of its own.
        byte[] n = Encoding.ASCII.GetBytes(new string('N', 20));
        var sequences = new TokenSequences(Tokenizer, max);
        bool truncated = sequences.Add(n.AsSpan(0, first), n.AsSpan(0, second));
        Assert.Equal(first + second + 3 > max, truncated);
        int[] ids = sequences[0].ToArray();
        int cls = Tokenizer.ClsId!.Value, sep = Tokenizer.SepId!.Value, unk = Tokenizer.UnknownId!.Value;
        Assert.Equal([cls, .. Enumerable.Repeat(unk, keptFirst), sep, .. Enumerable.Repeat(unk, keptSecond), sep], ids);
    }

    [Fact]
    public void A_limit_without_room_is_refused() =>
        Assert.Contains("3", Assert.Throws<ArgumentException>(() => new TokenSequences(Tokenizer, 3)).Message, StringComparison.Ordinal);
}
