using System.Text;
using Dnabert2.Sequences;
using static Tests.Sequences.SequenceFiles;

namespace Tests.Sequences;

/// <summary>Tables as spreadsheets and other programs write them.</summary>
public class TableTests
{
    [Theory]
    [InlineData("id,sequence,label\r\n\"a, 1\",\"GGC\r\nTTA\r\nC\",0\r\n")]
    [InlineData("id,sequence,label\n\"a, 1\",\"GGC\nTTAC\",0\n")]
    [InlineData("id,sequence,label\r\n\"a, 1\",\"\r\nGGC\rTTA \r\n \r\n C\r\n\",0")]
    [InlineData("id;sequence;label\n\"a, 1\";\"GGC\nTTAC\";0\n")]
    [InlineData("\uFEFFlabel;Sequence;ID\r\n0;GGCTTAC;\"a, 1\"\r\n")]
    [InlineData("sep=;\r\nlabel;sequence;id\r\n0;GGCTTAC;a, 1\r\n")]
    [InlineData("\uFEFFSEP=|\nlabel|sequence|id\n0|GGCTTAC|a, 1\n")]
    [InlineData("\"sep=,\"\nlabel,sequence,id\n0,GGCTTAC,\"a, 1\"\n")]
    [InlineData("sep=\t\nlabel\tsequence\tid\n0\tGGCTTAC\ta, 1\n")]
    [InlineData("\"a\r\nremark; more\",label,sequence,id\n,0,GGCTTAC,\"a, 1\"\n")]
    [InlineData("\"note, all; of it\";label;sequence;id\n;0;GGCTTAC;a, 1\n")]
    [InlineData("\"length, bp\";\"sequence\";\"id\";\"label\"\r\n\"7,0\";\"GGCTTAC\";\"a, 1\";\"0\"\r\n")]
    [InlineData("label;\"score, log; \"\"ten\"\"\";sequence;id\n0;\"1,5;2\";GGCTTAC;a, 1\n")]
    [InlineData("\"a; b\",sequence,label,id\n\"1;2\",GGCTTAC,0,\"a, 1\"\n")]
    [InlineData("sequence;label;id;\"last, column\"\nGGCTTAC;0;\"a, 1\";\"x;\ny,z\"")]
    [InlineData("\"the \"\"note\"\"\";label;\"sequence\";id\n\"x\r\ny;z\";0;GGCTTAC;a, 1\n")]
    public void Line_breaks_in_quotes_and_semicolons_are_read(string content)
    {
        foreach (string name in new[] { "x", "x.csv", "x.txt" })
            foreach (int drip in new[] { 0, 1, 3 })
            {
                byte[] bytes = Encoding.UTF8.GetBytes(content);
                SequenceRecord record = Assert.Single(ReadAll(drip == 0 ? new MemoryStream(bytes) : new DripStream(bytes, drip), name));
                Assert.Equal(("a, 1", "GGCTTAC", "0"), (record.Id, record.Text(), record.Column("label")));
            }
    }

    [Fact]
    public void A_table_whose_first_column_has_no_name_is_no_comment_of_FASTA()
    {
        const string table = ";sequence;label\n0;GGCTTAC;\"a, 1\"\n", fasta = ";sequence;label\n>a\nGGCTTAC\n";
        foreach (string name in (string[])["x.csv", "x.csv.gz", "x.tsv"])
            Assert.Equal("a, 1", Assert.Single(ReadAll(table, name)).Column("label"));
        foreach (string name in (string[])["x", "x.fa", "x.fas.gz"]) Assert.Equal("GGCTTAC", Assert.Single(ReadAll(fasta, name)).Text());
        Assert.Equal("GGCTTAC", Assert.Single(ReadAll(";a comment\n>a\nGGCTTAC\n", "x.csv")).Text());
    }

    [Fact]
    public void A_line_break_in_quotes_does_not_hide_where_a_fault_is()
    {
        string message = Assert.Throws<InvalidDataException>(() => ReadAll("sequence\n\"AC\r\nG!\"\n")).Message;
        Assert.Contains("record 1, line 3, column 2: '!' at base 4 is not a nucleotide", message);
        Assert.Contains("byte 0x20 at base 3", Assert.Throws<InvalidDataException>(() => ReadAll("sequence\n\"AC G\nTT\"\n")).Message);
    }

    [Theory]
    [InlineData("name,seq,class\na,ACGT,1\n", "seq")]
    [InlineData("name;SEQ;class\na;ACGT;1\n", "seq")]
    [InlineData("name\tmy seq\tclass\na\tACGT\t1\n", "My Seq")]
    [InlineData("name,\"my, \"\"seq\"\"\",class\na,ACGT,1\n", "my, \"seq\"")]
    [InlineData("sequence,other\nGG,ACGT\n", "other")]
    [InlineData("sequence1,sequence2\nGG,ACGT\n", "sequence2")]
    public void The_column_of_the_sequences_may_be_named(string content, string column)
    {
        foreach (string name in new[] { "x", "x.csv.gz" })
        {
            if (name != "x" && content.Contains('\t')) continue;
            SequenceRecord record = Assert.Single(ReadAll(content, name, new() { SequenceColumn = column }));
            Assert.Equal(("ACGT", false), (record.Text(), record.HasSecond));
        }
    }

    [Fact]
    public void Both_columns_of_a_pair_may_be_named()
    {
        SequenceRecord record =
            Assert.Single(ReadAll("p,q,sequence2\nAC,GT,TTT\n", "x.csv", new() { SequenceColumn = "p", SecondSequenceColumn = "q" }));
        Assert.Equal(("AC", "GT"), (record.Text(), record.SecondText()));
        record = Assert.Single(ReadAll("sequence,q\nAC,GT\n", "x", new() { SecondSequenceColumn = "q" }));
        Assert.Equal(("AC", "GT"), (record.Text(), record.SecondText()));
    }

    [Theory]
    [InlineData("a,b\nACGT,1\n", "c", null, "line 1: no column is named 'c'; found are 'a', 'b'")]
    [InlineData("sep=;\na;b\nACGT;1\n", "c", null, "line 2: no column is named 'c'; found are 'a', 'b'")]
    [InlineData("\"a, or so\";b\nACGT;1\n", "c", null, "line 1: no column is named 'c'; found are 'a, or so', 'b'")]
    [InlineData("\"a; or so\",b\nACGT,1\n", "c", null, "line 1: no column is named 'c'; found are 'a; or so', 'b'")]
    [InlineData("a,b\nACGT,1\n", "a", "d", "line 1: no column is named 'd'")]
    [InlineData("a,b\nACGT,1\n", "a", "A", "both sequences of a pair are to be in column 'a'")]
    [InlineData(">a\nACGT\n", "a", null, "this is Fasta and has no columns, but column 'a' is asked for")]
    public void A_column_that_is_not_there_is_an_error(string content, string column, string? second, string expected) =>
        Assert.Contains(expected, Assert.Throws<InvalidDataException>(
            () => ReadAll(content, "x.csv", new() { SequenceColumn = column, SecondSequenceColumn = second })).Message);

    [Fact]
    public void A_header_of_very_many_columns_is_refused_at_once_and_one_of_many_is_read()
    {
        string Table(int columns) =>
            $"sequence,{string.Join(',', Enumerable.Range(0, columns - 1).Select(i => $"column number {i}"))}\n"
            + $"ACGT{new string(',', columns - 1)}\n";
        Assert.Contains("more than 16384 columns", Assert.Throws<InvalidDataException>(() => ReadAll(Table(150_000))).Message);
        Assert.Equal("ACGT", Assert.Single(ReadAll(Table(16_384))).Text());
    }
}
