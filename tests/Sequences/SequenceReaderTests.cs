using System.Text;
using Dnabert2.Sequences;
using static Tests.Sequences.SequenceFiles;

namespace Tests.Sequences;

public class SequenceReaderTests
{
    [Theory]
    [InlineData(">a\nAC\n", "x", SequenceFormat.Fasta)]
    [InlineData(">a\nAC\n", "x.csv", SequenceFormat.Fasta)]
    [InlineData("; note\n>a\nAC\n", "x", SequenceFormat.Fasta)]
    [InlineData("\n\r\n>a\nAC\n", "x", SequenceFormat.Fasta)]
    [InlineData("@a\nAC\n+\nII", "x.txt", SequenceFormat.Fastq)]
    [InlineData("sequence,label\nAC,1", "x", SequenceFormat.Csv)]
    [InlineData("label,SEQUENCE\n1,AC", "x.tsv", SequenceFormat.Csv)]
    [InlineData("sequence\tlabel\nAC\t1", "x.csv", SequenceFormat.Tsv)]
    [InlineData("sequence\nAC", "x.csv.gz", SequenceFormat.Csv)]
    [InlineData("sequence\nAC", "x", SequenceFormat.Csv)]
    [InlineData("sequence\nAC", "x.tsv", SequenceFormat.Tsv)]
    [InlineData("ACGT\nacgu", "x", SequenceFormat.Lines)]
    [InlineData("ACGT", "x.txt.gz", SequenceFormat.Lines)]
    public void The_layout_is_found_from_the_content_and_only_ties_from_the_extension(string content, string name, SequenceFormat expected)
    {
        using SequenceReader reader = SequenceReader.Open(new MemoryStream(Encoding.ASCII.GetBytes(content)), name);
        Assert.Equal(expected, reader.Format);
        Assert.True(reader.TryRead(out _));
    }

    [Fact]
    public void A_given_layout_overrides_what_the_content_looks_like() =>
        Assert.Contains("FASTA", Assert.Throws<InvalidDataException>(
            () => ReadAll("ACGT\n", "x", new() { Format = SequenceFormat.Fasta })).Message);

    [Fact]
    public void Comments_blank_lines_and_blanks_in_Fasta_are_layout()
    {
        List<SequenceRecord> records = ReadAll("; old\n\n>a  first one \n; c\n  ACGT acgt\t\n\n;x\nAC\r\n\r\n>b\tsecond\nGG");
        Assert.Equal(["ACGTACGTAC", "GG"], records.Select(r => r.Text()));
        Assert.Equal(["first one", "second"], records.Select(r => r.Description));
        Assert.Equal([3L, 10L], records.Select(r => r.Line));
    }

    [Fact]
    public void A_record_without_a_name_is_called_by_its_number()
    {
        Assert.Equal([("1", false), ("b", true), ("3", false)], Names(">\nA\n>b\nA\n> \t \nA\n"));
        Assert.Equal([("1", false), ("2", true)], Names("@\nA\n+\nI\n@2\nA\n+\nI\n"));
        Assert.Equal([("1", false), ("2", false)], Names("A\n\n \nC\n"));
        Assert.Equal([("1", false)], Names("sequence,label\nA,1\n"));
        Assert.Equal([("a", true), ("2", false)], Names("id,sequence\na,A\n,A\n"));
    }

    [Theory]
    [InlineData("> chr1 the first\nA\n"), InlineData("> \t chr1\t the first\r\nA\n"),
        InlineData("@ chr1 the first\nA\n+ chr1 the first\nI\n")]
    [InlineData("@chr1 the first\nA\n+chr1\nI\n"), InlineData("@\tchr1 the first\nA\n+\nI\n")]
    public void The_name_is_the_first_word_of_the_header_wherever_it_begins(string content)
    {
        SequenceRecord record = Assert.Single(ReadAll(content));
        Assert.Equal(("chr1", "the first", true), (record.Id, record.Description, record.HasName));
    }

    [Fact]
    public void A_description_in_another_encoding_hinders_nobody_and_a_name_in_UTF8_comes_back()
    {
        Assert.Equal(("chr1", "Andr\u00E9 2019"), ReadAll(">chr1 Andr\u00E9 2019\nA\n").Select(r => (r.Id, r.Description)).Single());
        byte[] utf8 = Encoding.UTF8.GetBytes(">\u00E9chantillon_\u732B \u00E8\nA\n");
        Assert.Equal(("\u00E9chantillon_\u732B", "\u00E8"), ReadAll(new MemoryStream(utf8)).Select(r => (r.Id, r.Description)).Single());
    }

    private static IEnumerable<(string Id, bool HasName)> Names(string content) => ReadAll(content).Select(r => (r.Id, r.HasName));

    [Fact]
    public void Ambiguous_bases_follow_the_policy()
    {
        const string File = ">a\nACNNGRT\n>b\nACGT\n>c\nNN\n";
        SequenceRecord[] split = [.. ReadAll(File)];
        Assert.Equal(["AC", "G", "T"], split[0].FragmentTexts());
        Assert.Equal("ACNNGNT", split[0].Text());
        Assert.Equal([3, 0, 2], split.Select(r => r.Ambiguous));
        Assert.Empty(split[2].FragmentTexts());

        SequenceRecord[] unknown = [.. ReadAll(File, options: new() { OnAmbiguous = AmbiguousBases.Unknown })];
        Assert.Equal(["ACNNGNT"], unknown[0].FragmentTexts());
        Assert.Equal(["NN"], unknown[2].FragmentTexts());

        using SequenceReader drop = SequenceReader.Open(
            new MemoryStream(Encoding.ASCII.GetBytes(File)), "x", new() { OnAmbiguous = AmbiguousBases.Drop });
        Assert.True(drop.TryRead(out SequenceRecord? only));
        Assert.Equal(("b", 2L), (only.Id, only.Number));
        Assert.False(drop.TryRead(out _));
        Assert.Equal((3, 2), (drop.RecordsRead, drop.Dropped.Count));

        var refused =
            Assert.Throws<InvalidDataException>(() => ReadAll(">a\nACGT\nACRT", "x.fa", new() { OnAmbiguous = AmbiguousBases.Error }));
        Assert.StartsWith("x.fa: record 1 'a', line 3, column 3: 'R' at base 7 is not one exact base", refused.Message);
    }

    [Fact]
    public void A_pair_with_an_ambiguous_second_half_is_dropped_too()
    {
        const string File = "sequence1,sequence2\nA,N\nC,G\n";
        Assert.Equal(["C"], ReadAll(File, options: new() { OnAmbiguous = AmbiguousBases.Drop }).Select(r => r.Text()));
        Assert.Throws<InvalidDataException>(() => ReadAll(File, options: new() { OnAmbiguous = AmbiguousBases.Error }));
    }

    [Fact]
    public void Csv_columns_are_found_by_name_in_any_case_and_order()
    {
        SequenceRecord record = Assert.Single(ReadAll(",Label,sequence2,id,Sequence\r\n0,\"a \"\"b\"\",\r\nc\",GG,chr 1,\" AC \"\r\n\r\n"));
        Assert.Equal(("chr 1", "AC", "GG", true), (record.Id, record.Text(), record.SecondText(), record.HasSecond));
        Assert.Equal("a \"b\",\r\nc", record.Column("LABEL"));
        Assert.Null(record.Column("missing"));
        Assert.False(ReadAll("sequence\nA\n")[0].HasSecond);
    }

    [Fact]
    public void Bases_of_a_past_record_are_refused_and_a_copy_keeps_its_own()
    {
        using SequenceReader reader = SequenceReader.Open(new MemoryStream(">a\nACGN\n>b\nGGGG\n"u8.ToArray()), "x");
        Assert.True(reader.TryRead(out SequenceRecord? first));
        SequenceRecord copy = first.Copy();
        Assert.True(reader.TryRead(out SequenceRecord? second));
        Assert.Contains("Copy()", Assert.Throws<InvalidOperationException>(() => first.Sequence.Length).Message);
        Assert.Equal("ACGN", copy.Text());
        Assert.Equal(["ACG"], copy.FragmentTexts());
        Assert.Equal("GGGG", second.Text());
        reader.Dispose();
        Assert.Throws<InvalidOperationException>(() => second.Copy());
        Assert.False(reader.TryRead(out _));
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public void Progress_counts_stored_bytes_up_to_the_end(bool gzip)
    {
        var random = new Random(5);
        byte[] content = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 3000).Select(
            i => $">{i}\n{string.Concat(Enumerable.Range(0, 500).Select(_ => "ACGT"[random.Next(4)]))}\n")));
        if (gzip) content = Gzip(content);
        using SequenceReader reader = SequenceReader.Open(new MemoryStream(content), "x");
        Assert.Equal(content.Length, reader.TotalBytes);
        long last = 0, steps = 0;
        while (reader.TryRead(out _))
        {
            Assert.InRange(reader.BytesRead, last, content.Length);
            if (reader.BytesRead > last) steps++;
            last = reader.BytesRead;
        }
        Assert.Equal(content.Length, reader.BytesRead);
        Assert.True(steps > 3, $"progress moved {steps} times only");
        Assert.Null(SequenceReader.Open(new DripStream(content, 7), "x").TotalBytes);
    }

    [Fact]
    public void A_cancelled_token_ends_the_reading()
    {
        using var source = new CancellationTokenSource();
        byte[] content = Encoding.ASCII.GetBytes(">a\n" + new string('A', 1 << 20));
        using SequenceReader reader = SequenceReader.Open(new MemoryStream(content), "x", cancellation: source.Token);
        source.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => reader.TryRead(out _));
    }

    [Fact]
    public void The_file_is_closed_at_the_end_and_after_a_fault_and_a_stream_is_left_open()
    {
        string path = Path.GetTempFileName();
        try
        {
            foreach (string content in new[] { ">a\nACGT\n", ">a\nAC!GT\n", "" })
            {
                File.WriteAllText(path, content);
                try
                {
                    foreach (SequenceRecord record in SequenceReader.Read(path)) Assert.Equal(4, record.Length);
                }
                catch (InvalidDataException)
                {
                    Assert.NotEqual(">a\nACGT\n", content);
                }
                using FileStream exclusive = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            }
        }
        finally
        {
            File.Delete(path);
        }
        using var stream = new MemoryStream(">a\nACGT\n"u8.ToArray());
        Assert.Single(ReadAll(stream));
        Assert.True(stream.CanRead);
    }
}
