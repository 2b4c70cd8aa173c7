using Dnabert2.Data;
using Dnabert2.Tokenizers;
using Dnabert2.Training;

namespace Tests.Training;

public class StrandedWindowsTests
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
        StrandedWindows windows = StrandedWindows.Of(tokenizer, new PretrainOptions { AugmentReverseComplement = true }, 40)!;
        int others = 0;
        for (int number = 0; number < 100; number++)
        {
            ushort[] window = windows.Draw(number, one).ToArray();
            Assert.Contains(window, (ushort[][])[one, two]);
            if (window.SequenceEqual(two)) others++;
            Assert.Equal(window, windows.Draw(number, one).ToArray());
        }

        Assert.InRange(others, 30, 70);
        Assert.Null(StrandedWindows.Of(tokenizer, new PretrainOptions(), 40));

        ushort[] Encode(byte[] sequence)
        {
            List<int> ids = [];
            tokenizer.EncodeSequence(sequence, ids);
            return [.. ids.Select(id => (ushort)id)];
        }
    }
}
