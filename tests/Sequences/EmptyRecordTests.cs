using System.Text;
using Dnabert2.Sequences;
using static Tests.Sequences.SequenceFiles;

namespace Tests.Sequences;

/// <summary>Records without a sequence are left out, counted and named, or stop the reading.</summary>
public class EmptyRecordTests
{
    [Theory]
    [InlineData(">a\nAC\n>\n\n>c x\n>d\nGT\n", "record 2, line 3; record 3 'c', line 5")]
    [InlineData(">e\n>a\nAC\n>d\nGT", "record 1 'e', line 1")]
    [InlineData(">a\nAC\n>d\nGT\n>z", "record 3 'z', line 5")]
    [InlineData("@a\nAC\n+\nII\n@b\n\n+\n\n@c\n+\n@d\nGT\n+\n@@\n@e\n\n+e\n", "record 2 'b', line 5; record 3 'c', "
        + "line 9; record 5 'e', line 15")]
    [InlineData("id,sequence,label\na,AC,1\nb,,1\nc,\"\",1\ne,  ,1\nf,NA,1\ng,NaN,0\nd,GT,0\n",
        "record 2 'b', line 3; record 3 'c', line 4; record 4 'e', line 5; record 5 'f', line 6; record 6 'g', line 7")]
    [InlineData("id\tsequence1\tsequence2\na\tAC\tG\nb\tGG\t\nc\t\tGG\nd\tGT\tC\n", "record 2 'b', line 3; record 3 'c', line 4")]
    public void Records_without_a_sequence_are_left_out_and_named(string content, string places)
    {
        foreach (Stream stream in new Stream[] { new MemoryStream(Encoding.ASCII.GetBytes(content)),
            new DripStream(Encoding.ASCII.GetBytes(content), 3) })
        {
            using SequenceReader reader = SequenceReader.Open(stream, "reads");
            List<(string, string)> found = [];
            while (reader.TryRead(out SequenceRecord? record)) found.Add((record.Id, record.Text()));
            Assert.Equal([("a", "AC"), ("d", "GT")], found);
            Assert.Equal(places, string.Join("; ", reader.Empty.First));
            Assert.Equal(reader.RecordsRead - 2, reader.Empty.Count);
            string note = Assert.Single(reader.Notes());
            Assert.StartsWith($"reads: {reader.Empty.Count} record", note);
            Assert.EndsWith($" of {reader.RecordsRead} left out for having no sequence: {places}", note);
        }

        string first = places.Split(';')[0];
        string message =
            Assert.Throws<InvalidDataException>(() => ReadAll(content, "reads", new() { OnEmpty = EmptyRecords.Error })).Message;
        Assert.StartsWith($"reads: {first}: ", message);
    }

    [Fact]
    public void Numbers_count_what_is_left_out() =>
        Assert.Equal([1L, 4L], ReadAll(">a\nAC\n>\n>\n>d\nGT\n").Select(r => r.Number));

    [Theory]
    [InlineData(">a\n>b\n\n", "there are no sequences in it, only 2 without any (record 1 'a', line 1: the record has no sequence)")]
    [InlineData("sequence\nNA\n\"\"\n", "there are no sequences in it, only 2 without any (record 1, line 2: "
        + "column 'sequence' has no sequence)")]
    [InlineData(
        ">a\nNNNN\n>b\n", "there are no sequences in it, only 2 without any (record 1 'a', line 1: the record has no A, C, G or T)")]
    public void A_file_of_such_records_alone_is_an_error(string content, string expected) =>
        Assert.Contains(expected, Assert.Throws<InvalidDataException>(
            () => ReadAll(content, options: new() { NeedsKnownBases = true })).Message);

    [Fact]
    public void A_sequence_of_N_alone_is_one_unless_known_bases_are_needed()
    {
        const string File = "sequence1,sequence2\nAC,G\nNNN,G\nAC,NX\nAN,GN\n";
        Assert.Equal(4, ReadAll(File, options: new() { OnAmbiguous = AmbiguousBases.Unknown }).Count);
        Assert.Equal(
            [1L, 4L], ReadAll(File, options: new() { OnAmbiguous = AmbiguousBases.Unknown, NeedsKnownBases = true }).Select(r => r.Number));
        Assert.Contains("record 2, line 3: column 'sequence1' has no A, C, G or T", Assert.Throws<InvalidDataException>(
            () => ReadAll(File, options: new() { NeedsKnownBases = true, OnEmpty = EmptyRecords.Error })).Message);
        Assert.Equal([1L], ReadAll(File, options: new() { OnAmbiguous = AmbiguousBases.Drop }).Select(r => r.Number));
    }

    [Fact]
    public void Of_many_that_are_left_out_the_first_ten_are_named()
    {
        using SequenceReader reader =
            SequenceReader.Open(new MemoryStream(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(">\n", 5000)) + ">z\nA\n")), "x");
        Assert.True(reader.TryRead(out _));
        Assert.False(reader.TryRead(out _));
        Assert.Equal((5000L, 10), (reader.Empty.Count, reader.Empty.First.Count));
        Assert.EndsWith("record 10, line 10; …", reader.Notes().Single());
    }
}
