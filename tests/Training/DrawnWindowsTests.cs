using Dnabert2.Data;
using Dnabert2.Tokenizers;
using Dnabert2.Training;

namespace Tests.Training;

public class DrawnWindowsTests
{
    public static TheoryData<string, int> Tokenizers => new() { { "bpe", 0 }, { "3-mers", 2 }, { "6-mers apart", 0 }, { "letters", 0 } };

    [Theory]
    [MemberData(nameof(Tokenizers))]
    public void A_window_is_taken_from_either_strand_as_its_number_says(string name, int overlap)
    {
        ISequenceTokenizer tokenizer = name switch
        {
            "bpe" => Toy.Tokenizer,
            "3-mers" => new DnabertTokenizer(3),
            "6-mers apart" => new NucleotideTransformerTokenizer(6),
            _ => new HyenaTokenizer(),
        };
        Assert.Equal(overlap, tokenizer.Overlap);
        byte[] bases = [.. "ACGGTTTACCATGACCGATTTACAGGGTAC"u8], other = [.. "GTACCCTGTAAATCGGTCATGGTAAACCGT"u8];
        ushort[] one = Encode(bases), two = Encode(other);
        DrawnWindows drawn = DrawnWindows.Of(tokenizer, new PretrainOptions { AugmentReverseComplement = true }, 40)!;
        int others = 0;
        for (int number = 0; number < 100; number++)
        {
            ushort[] window = drawn.Draw(number, one).ToArray();
            Assert.Contains(window, (ushort[][])[one, two]);
            if (window.SequenceEqual(two)) others++;
            Assert.Equal(window, drawn.Draw(number, one).ToArray());
        }

        Assert.InRange(others, 30, 70);
        Assert.Null(DrawnWindows.Of(tokenizer, new PretrainOptions(), 40));

        ushort[] Encode(byte[] sequence)
        {
            List<int> ids = [];
            tokenizer.EncodeSequence(sequence, ids);
            return [.. ids.Select(id => (ushort)id)];
        }
    }

    [Fact]
    public void Merges_are_left_out_anew_for_each_sample_and_no_more_tokens_come_than_there_is_room_for()
    {
        List<int> ids = [];
        Toy.Tokenizer.EncodeSequence("ACGGTTTACCATGACCGATTTACAGGGTACACGGTTTACC"u8, ids);
        ushort[] window = [.. ids.Select(id => (ushort)id)];
        string bases = string.Concat(ids.Select(Toy.Tokenizer.Token));
        DrawnWindows drawn = DrawnWindows.Of(Toy.Tokenizer, new PretrainOptions { BpeDropout = 0.1 }, ids.Count + 2)!;
        var lengths = new HashSet<int>();
        for (int number = 0; number < 40; number++)
        {
            ushort[] tokens = drawn.Draw(number, window).ToArray();
            Assert.StartsWith(string.Concat(tokens.Select(id => Toy.Tokenizer.Token(id))), bases, StringComparison.Ordinal);
            lengths.Add(tokens.Length);
        }

        Assert.True(lengths.Count > 1 && lengths.Max() == ids.Count + 2, string.Join(", ", lengths));
    }
}
