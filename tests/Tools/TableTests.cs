using System.Text;
using Dnabert2.FineTuning;
using Tests.FineTuning;
using Tests.Weights;

namespace Tests.Tools;

/// <summary>The tables of all verbs, read by a plain reader of RFC 4180.</summary>
public class TableTests(ToyModel toy) : IClassFixture<ToyModel>
{
    // Names that a table has to quote: with each separator, a quote, a line break; and a blank, which it has not.
    private const string Records =
        "id,sequence\n\"a,b\",ACGTTGCATTAC\n\"c\td\",GATTACA\n\"say \"\"x\"\"\",ACGTNNACGT\n\" e \",GATTACAGATTACAGATTACAGATTACA\n";

    private static readonly string[] Names = ["a,b", "c\td", "say \"x\"", " e "];

    public static TheoryData<string, string> Verbs => new()
    {
        { "embed - --model MODEL", "record id bases tokens chunks truncated d0" },
        { "embed - --model MODEL --on-too-long truncate --max-tokens 5 --overlap 1", "record id bases tokens chunks truncated d0" },
        { "embed - --model MODEL --pooling none", "record id index token token_id start end d0" },
        { "predict - --model RUN --max-tokens 5", "id label p_0 p_1 truncated" },
        { "attribute - --model MODEL --region 2-3", "id pos ref alt effect" },
        { "attribute - --model RUN --region 2-3", "id pos ref alt effect effect_logit class" },
    };

    [Theory]
    [MemberData(nameof(Verbs))]
    public void Every_format_holds_the_same_fields_and_names_come_back_as_they_were(string command, string columns)
    {
        using var folder = new TempFolder();
        ToyClassifier.Write(folder["run"], TaskKind.SingleLabel, 20, "0", "1");
        string[] args = [.. command.Split(' ').Select(word => word switch { "MODEL" => toy.Folder, "RUN" => folder["run"], _ => word })];
        string[][] printed = Read(ToolRun.Of(Records, args).Succeeds().Output, '\t');
        string[] expected = columns.Split(' ');
        Assert.Equal(expected, printed[0][..expected.Length]);
        Assert.Equal(expected.Length, printed[0].TakeWhile(column => column is "d0" || !column.StartsWith('d')).Count());
        foreach ((string name, char separator) in ((string, char)[])[("x.tsv", '\t'), ("x.csv", ','), ("X.CSV", ',')])
        {
            ToolRun.Of(Records, [.. args, "-o", folder[name]]).Succeeds();
            Assert.Equal(printed, Read(File.ReadAllBytes(folder[name]), separator));
        }

        int id = Array.IndexOf(expected, "id"), truncated = Array.IndexOf(expected, "truncated");
        Assert.Equal(Names, printed.Skip(1).Select(row => row[id]).Distinct());
        if (truncated < 0) return;
        Assert.All(printed.Skip(1), row => Assert.Contains(row[truncated], (string[])["yes", "no"]));
        if (command.Contains("--max-tokens", StringComparison.Ordinal)) Assert.Equal("yes", printed[^1][truncated]);
    }

    [Fact]
    public void Variants_are_written_in_each_format_alike()
    {
        using var folder = new TempFolder();
        folder.Write("g.fa", Encoding.ASCII.GetBytes($">one,1\n{string.Concat(Enumerable.Repeat("GATTACACCGGTT", 4))}\n"));
        const string variants = "chrom\tpos\tid\tref\talt\none,1\t14\t\"say\"\tG\tC\none,1\t14\tx\tG\t<DEL>\n";
        string[] args = ["variants", "-", "-g", folder["g.fa"], "--model", toy.Folder, "--window", "16"];
        string[][] printed = Read(ToolRun.Of(variants, args).Succeeds().Output, '\t');
        Assert.Equal("line chrom pos id ref alt status reason", string.Join(' ', printed[0][..8]));
        foreach ((string name, char separator) in ((string, char)[])[("x.tsv", '\t'), ("x.csv", ',')])
        {
            ToolRun.Of(variants, [.. args, "-o", folder[name]]).Succeeds();
            Assert.Equal(printed, Read(File.ReadAllBytes(folder[name]), separator));
        }
    }

    [Theory]
    [InlineData("x.tsv", '\t')]
    [InlineData("x.csv", ',')]
    public void Tokens_in_a_table_are_those_of_embed_without_the_vectors(string name, char separator)
    {
        using var folder = new TempFolder();
        string[] tokenize = ["tokenize", ToyModel.SamplePath, "--tokenizer", ToyModel.TokenizerPath, "--on-n", "split"];
        ToolRun.Of([.. tokenize, "-o", folder[name]]).Succeeds();
        string[] embed = ["embed", ToyModel.SamplePath, "--model", toy.Folder, "--pooling", "none", "--max-tokens", "100000"];
        ToolRun.Of([.. embed, "-o", folder["y.npy"]]).Succeeds();
        Assert.Equal(Read(File.ReadAllBytes(folder["y.ids.tsv"]), '\t'), Read(File.ReadAllBytes(folder[name]), separator));
    }

    [Fact]
    public void Of_pairs_the_table_of_tokens_says_which_sequence_each_is_of()
    {
        using var folder = new TempFolder();
        const string pairs = "id,sequence1,sequence2\na,ACGTACGT,TT\n";
        ToolRun.Of(pairs, ["tokenize", "-", "--tokenizer", ToyModel.TokenizerPath, "-o", folder["x.csv"]]).Succeeds();
        string[][] rows = Read(File.ReadAllBytes(folder["x.csv"]), ',');
        Assert.Equal("record id sequence index token token_id start end", string.Join(' ', rows[0]));
        Assert.Equal("ACGTACGT", string.Concat(rows.Where(row => row[2] == "1").Select(row => row[4])));
        Assert.Equal("TT", string.Concat(rows.Where(row => row[2] == "2").Select(row => row[4])));
        Assert.Equal("0", rows.First(row => row[2] == "2")[6]);
    }

    /// <summary>Reads a table whose fields may be quoted: quotes in them are doubled.</summary>
    private static string[][] Read(byte[] bytes, char separator)
    {
        string text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        var rows = new List<string[]>();
        var row = new List<string>();
        for (int i = 0; i < text.Length;)
        {
            var field = new StringBuilder();
            if (text[i] == '"')
            {
                for (i++; ; i++)
                {
                    if (text[i] == '"' && text[++i] != '"') break;
                    field.Append(text[i]);
                }
            }
            else
            {
                while (text[i] != separator && text[i] != '\n') field.Append(text[i++]);
            }

            row.Add(field.ToString());
            Assert.True(text[i] == separator || text[i] == '\n', $"'{text[i]}' after a field");
            if (text[i++] == separator) continue;
            rows.Add([.. row]);
            row.Clear();
        }

        Assert.Empty(row);
        Assert.All(rows, r => Assert.Equal(rows[0].Length, r.Length));
        return [.. rows];
    }
}
