using System.Text;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Tests.Tools;
using static Tests.Sequences.SequenceFiles;

namespace Tests.Sequences;

/// <summary>How much of long records is kept.</summary>
public class LongRecordLimitTests
{
    [Fact]
    public void Past_the_bases_that_are_kept_the_rest_is_checked_and_counted()
    {
        string bases = string.Concat(Enumerable.Repeat("ACGGT", 400_000));
        SequenceRecord record = Assert.Single(ReadAll($">a\n{bases}\n", options: new() { KeepBases = 1000 }));
        Assert.Equal(2_000_000, record.TotalLength);
        Assert.InRange(record.Length, 1000, 1000 + (1 << 18));
        Assert.Equal(bases[..record.Length], record.Text());
        string message = Assert.Throws<InvalidDataException>(() => ReadAll($">a\n{bases}!", options: new() { KeepBases = 1000 })).Message;
        Assert.Contains("line 2, column 2000001: '!' at base 2000001 is not a nucleotide", message);
        Assert.Equal("@a", ReadAll($"@a\n{bases}\n+\n{new string('I', bases.Length)}\n", options: new() { KeepBases = 1000 })
            .Select(r => "@" + r.Id).Single());
    }

    [Theory]
    [InlineData("ACG CGT GTA TAC ACG CGT GTA TAC")]
    [InlineData("ACG CGT GTA TAC ACG CGT GTA TAC AAAAAAAA")]
    [InlineData("ACG CGT GTA TAC ACG CGT GTA TAC CGG")]
    [InlineData("ACGTAC CGTACA GTACAA TACAAA ACAAAA CAAAAT")]
    [InlineData("ACGTACG CGTACGT")]
    public void K_mers_past_what_is_kept_are_still_held_to_be_some(string line)
    {
        (string? whole, string? fault) = Outcome(null);
        (string? kept, string? other) = Outcome(2);
        Assert.Equal(fault, other);
        Assert.StartsWith(kept ?? "", whole ?? "");
        Assert.True(kept is null || kept.Length >= 2);

        (string? Read, string? Fault) Outcome(int? keep)
        {
            try
            {
                return (ReadAll($"{line}\n", options: new() { Format = SequenceFormat.Lines, KeepBases = keep }).Single().Text(), null);
            }
            catch (InvalidDataException e)
            {
                return (null, e.Message);
            }
        }
    }

    [Fact]
    public void A_stretch_ends_at_N_only_where_sequences_are_cut_there()
    {
        string bases = string.Concat(Enumerable.Repeat(new string('A', 900) + "N", 2000));
        Assert.Equal(bases.Length, ReadAll($">a\n{bases}", options: new() { KeepBases = 1000 }).Single().Length);
        SequenceRecord record = ReadAll($">a\n{bases}", options: new() { KeepBases = 1000, OnAmbiguous = AmbiguousBases.Unknown }).Single();
        Assert.True(record.Length < bases.Length / 2);
        Assert.Equal(bases.Length, record.TotalLength);
    }

    [Fact]
    public void N_past_what_is_kept_still_decides()
    {
        string bases = new string('A', 1_000_000) + "N";
        string file = $">a\n{bases}\n>b\nACGT\n>c\n{new string('N', 1_000_000)}A\n";
        Assert.Equal(["b"], ReadAll(file, options: new() { KeepBases = 10, OnAmbiguous = AmbiguousBases.Drop }).Select(r => r.Id));
        List<SequenceRecord> known =
            ReadAll(file, options: new() { KeepBases = 10, OnAmbiguous = AmbiguousBases.Unknown, NeedsKnownBases = true });
        Assert.Equal(["a", "b", "c"], known.Select(r => r.Id));
        Assert.All(known, r => Assert.False(r.IsUnknown));
    }

    [Fact]
    public void A_record_past_the_limit_is_an_error_that_names_it()
    {
        Assert.Equal(1000, ReadAll($">a\n{new string('A', 1000)}\n", options: new() { MaxRecordBases = 1000 })[0].Length);
        string message = Assert.Throws<InvalidDataException>(
            () => ReadAll($">a\n{new string('A', 1001)}\n", "x", new() { MaxRecordBases = 1000 })).Message;
        Assert.StartsWith(
            "x: record 1 'a', line 1: the sequence is longer than 1000 bases. Cut it into several records, or allow more (MaxRecordBases)",
            message);
        Assert.Throws<ArgumentOutOfRangeException>(() => ReadAll(">a\nA\n", options: new() { MaxRecordBases = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => ReadAll(">a\nA\n", options: new() { KeepBases = 0 }));
    }

    /// <summary>Repeats are what a merge at one place can reach far in.</summary>
    [Fact]
    public void The_bases_that_decide_the_first_tokens_do()
    {
        BpeTokenizer tokenizer = BpeTokenizer.Load(ToyModel.TokenizerPath);
        int decisive = tokenizer.BasesThatDecide(20)!.Value;
        var random = new Random(8);
        for (int round = 0; round < 200; round++)
        {
            string unit = string.Concat(Enumerable.Range(0, 1 + random.Next(round % 2 == 0 ? 6 : 400)).Select(_ => "ACGT"[random.Next(4)]));
            byte[] bases = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(unit, (decisive + 5000) / unit.Length)));
            List<int> all = [], some = [];
            tokenizer.EncodeSequence(bases, all);
            tokenizer.EncodeSequence(bases.AsSpan(0, decisive), some);
            Assert.True(some.Count > 20);
            Assert.Equal(all.Take(20), some.Take(20));
        }
    }
}
