using System.Globalization;
using System.Text;
using Dnabert2.Sequences;
using Tests.Sequences;

namespace Tests.Fuzz;

/// <content>Sequences, tables and variants, compressed or not.</content>
public sealed partial class FuzzTargets
{
    private FuzzTarget Sequences(SequenceFormat format, params string[] seeds) => new(
        format.ToString(), [.. seeds.Select(Bytes)], Mutation.OfText, input =>
        {
            (string? read, InvalidDataException? refused) = Outcome(() => Read(input, format, drip: false));
            // What is wrong may be told in other words where the end of a line is not here yet.
            Assert.Equal(read, Outcome(() => Read(input, format, drip: true)).Read);
            return read ?? throw new InvalidDataException(refused!.Message, refused);
        })
    { Named = "x" };

    private static (T? Read, InvalidDataException? Refused) Outcome<T>(Func<T> read)
    {
        try
        {
            return (read(), null);
        }
        catch (InvalidDataException e)
        {
            return (default, e);
        }
    }

    private static string Read(byte[] input, SequenceFormat format, bool drip, int? policy = null)
    {
        var options = new SequenceOptions { Format = format, OnAmbiguous = (AmbiguousBases)((policy ?? input.Length) % 4) };
        (List<SequenceRecord> records, string notes) = Records(input, options, drip);
        var text = new StringBuilder();
        foreach (SequenceRecord record in records)
        {
            Assert.False(record.Sequence.ContainsAnyExcept("ACGTN"u8));
            text.Append(record.Id).Append('|').Append(
                Encoding.ASCII.GetString(record.Sequence)).Append('|').Append(Encoding.ASCII.GetString(record.SecondSequence)).Append('\n');
        }

        return text.Append(notes).ToString();
    }

    private static (List<SequenceRecord> Records, string Notes) Records(byte[] input, SequenceOptions options, bool drip = false)
    {
        using Stream stream = drip ? new DripStream(input, 7) : new MemoryStream(input);
        using SequenceReader reader = SequenceReader.Open(stream, "x", options);
        var records = new List<SequenceRecord>();
        while (reader.TryRead(out SequenceRecord? record)) records.Add(record.Copy());
        return (records, $"{reader.Format} {string.Join('|', reader.Notes())}");
    }

    /// <summary>Every way of reading: the first line says which, the others are the file.</summary>
    private FuzzTarget Policies() => new(
        "policies",
        [
            Bytes("keep=3 unk\n>a\nACGTNNACGTTT\nACG\n>b\nGG\n"), Bytes("keep=4 split known\n>a\nACNACGTTTNN\n>b\nNNN\n>c\nGGGGGGG\n"),
            Bytes("column=dna second=mate\ndna,mate,sequence\nACGT,GG,x\n"), Bytes("column=DNA keep=2\nid\tdna\na\tACGTNN\nb\tNA\n"),
            Bytes("on-empty=error codes unk\n@a\nACGTRY\n+\nIIIIII\n"), Bytes("keep=5 drop\nACG CGT GTT TTN TNA\nACGTT\n"),
            Bytes("most=9 error csv\nsequence;label\nACGT;1\n"),
        ],
        Mutation.OfText, input =>
        {
            int end = Array.IndexOf(input, (byte)'\n');
            SequenceOptions options = PoliciesOf(Encoding.Latin1.GetString(input, 0, Math.Max(end, 0)));
            byte[] file = input[(end + 1)..];
            ((List<SequenceRecord> Records, string Notes) whole, InvalidDataException? fault) =
                Outcome(() => Records(file, options with { KeepBases = null }));
            ((List<SequenceRecord> Records, string Notes) kept, InvalidDataException? other) = Outcome(() => Records(file, options));
            // What is not kept has no length that could be too long.
            if (fault?.Message.Contains("longer than", StringComparison.Ordinal) is not true) Assert.Equal(fault?.Message, other?.Message);
            if ((fault ?? other) is { } refused) throw new InvalidDataException(refused.Message, refused);
            AssertBeginnings(whole.Records, kept.Records, options);
            Assert.Equal(whole.Notes, kept.Notes);
            return $"{string.Join('|', kept.Records.Select(r => $"{r.Id} {r.Length} {r.Ambiguous}"))} {kept.Notes}";
        })
    { Named = "x", Memory = (16 << 20, 600) };

    private static SequenceOptions PoliciesOf(string line)
    {
        var options = new SequenceOptions();
        foreach (string word in line.Split(' '))
        {
            string value = word[(word.IndexOf('=', StringComparison.Ordinal) + 1)..];
            int number = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int parsed) ? Math.Max(parsed, 1) : 7;
            if (Enum.TryParse(word, ignoreCase: true, out SequenceFormat format) && Enum.IsDefined(format))
                options = options with { Format = format };
            options = word.Split('=')[0] switch
            {
                "keep" => options with { KeepBases = number },
                "most" => options with { MaxRecordBases = number },
                "column" => options with { SequenceColumn = value },
                "second" => options with { SecondSequenceColumn = value },
                "on-empty" => options with { OnEmpty = EmptyRecords.Error },
                "known" => options with { NeedsKnownBases = true },
                "codes" => options with { KeepCodes = true },
                "unk" => options with { OnAmbiguous = AmbiguousBases.Unknown },
                "split" => options with { OnAmbiguous = AmbiguousBases.Split },
                "drop" => options with { OnAmbiguous = AmbiguousBases.Drop },
                "error" => options with { OnAmbiguous = AmbiguousBases.Error },
                _ => options,
            };
        }

        return options;
    }

    /// <summary>What is kept is how the sequence begins, and at least what was asked for.</summary>
    private static void AssertBeginnings(List<SequenceRecord> whole, List<SequenceRecord> kept, SequenceOptions options)
    {
        Assert.Equal(whole.Count, kept.Count);
        foreach ((SequenceRecord all, SequenceRecord some) in whole.Zip(kept))
        {
            Assert.Equal((all.Id, all.Number, all.Line, all.TotalLength, all.SecondTotalLength),
                (some.Id, some.Number, some.Line, some.TotalLength, some.SecondTotalLength));
            Assert.True(all.Sequence.StartsWith(
                some.Sequence) && all.SecondSequence.StartsWith(some.SecondSequence), "what is kept is not how the sequence begins");
            int needed = options.KeepBases ?? int.MaxValue;
            if (options.OnAmbiguous == AmbiguousBases.Split)
            {
                int longest = 0;
                foreach (SequenceFragment fragment in some.Fragments) longest = Math.Max(longest, fragment.Length);
                Assert.True(
                    longest >= needed || some.Length == all.Length, "neither is all kept, nor a stretch of the length that is needed");
            }
            else Assert.True(some.Length >= Math.Min(
                needed, all.Length) && some.SecondLength >= Math.Min(needed, all.SecondLength), "less is kept than is needed");
        }
    }

    private FuzzTarget Compressed()
    {
        byte[] plain = Bytes(">a\nACGTTGCA\n>b\nGGCC\n"), gzip = SequenceFiles.Gzip(plain);
        return new FuzzTarget(
            "gzip", [gzip, [.. gzip, .. gzip], Bgzip.File(plain, 8), [.. gzip, 0, 0, 0]], Mutation.OfBytes,
            input => Read(input, SequenceFormat.Detect, drip: false))
        { Named = "x" };
    }

    /// <summary>Compressed files that are made of a description, so that checksums are right where they are to be.</summary>
    private FuzzTarget Containers() => new(
        "containers",
        [
            Bytes("gzip:>a/ACGT/>b/\ngzip name comment hcrc:GGTT/"), Bytes("bgzip:>a/ACGT\nbgzip extra:GG/>b/T/\nend"),
            Bytes("gzip stored:>a/ACGT/\nzeros=5"),
            Bytes("gzip:>a/AC\ngzip:\nbgzip:GT/\nend\nzeros=300"),
        ],
        Mutation.OfText, input =>
        {
            GzipDescription described = GzipDescription.Of(Encoding.Latin1.GetString(input));
            (string? plain, InvalidDataException? fault) = Outcome(() => Read(described.Content, SequenceFormat.Fasta, drip: false));
            (string? read, InvalidDataException? refused) =
                Outcome(() => Read(described.File, SequenceFormat.Fasta, input.Length % 2 == 0, described.Content.Length));
            if (described.IsSound)
            {
                Assert.Equal(plain, read);
                Assert.Equal(fault is null, refused is null);
            }
            else Assert.True(refused is not null, "a damaged container is read");
            return read ?? throw new InvalidDataException(refused!.Message, refused);
        })
    { Named = "x", Memory = (64 << 20, 2000) };

    private FuzzTarget Genome() => new("genome", [Bytes(">chr1 x\nACGTNNNACGTRYK\nACGT\n>chr2\nGGGG\n")], Mutation.OfText, input =>
    {
        var options = new SequenceOptions { OnAmbiguous = AmbiguousBases.Unknown, KeepCodes = input.Length % 2 == 0 };
        using SequenceReader reader = SequenceReader.Open(new MemoryStream(input), "x", options);
        Genome genome = Dnabert2.Sequences.Genome.Read(reader);
        var text = new StringBuilder();
        foreach (string name in genome.Names)
        {
            Assert.True(genome.TryGetLength(name, out long length));
            byte[] bases = new byte[length];
            genome.Read(name, 0, bases);
            text.Append(name).Append(Encoding.ASCII.GetString(bases));
        }

        return text.ToString();
    })
    { Named = "x" };

    private FuzzTarget Variants(params string[] fields) => new(
        "variants",
        fields.Length > 0
        ? [
            Bytes("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t3\t.\tN\t<DEL>,<DUP>\t.\tPASS\tCLASS=a,b;SVLEN=-5,6;END=9\n"
                + "1\t4\t.\tA\t<INV>\t.\t.\tFLAG;END=12;CLASS\n"),
            Bytes("chrom\tpos\tref\talt\tclass\tNote\nchr1\t5\tA\tC\tx\ty\nchr1\t6\tA\tC\n"),
        ]
        : [
            Bytes("##fileformat=VCFv4.2\n##contig=<ID=chr1,length=14>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"
                + "chr1\t5\trs1\tA\tC,G\t.\t.\t.\t.\t1\nchr1\t7\t.\tAC\tA\t.\t.\t.\t.\t.\n"),
            Bytes("#CHROM\tPOS\tID\tREF\tALT\tref\tpos\n1\t1\t.\tN\t<DEL>,*,A]2:3]\t.\t.\n"),
            Bytes("chrom\tpos\tref\talt\nchr1\t5\tA\tC\n"),
        ],
        Mutation.OfText, input =>
        {
            (string? text, InvalidDataException? refused) = Outcome(() => AllOf(new MemoryStream(input), fields));
            Assert.Equal(text, Outcome(() => AllOf(new DripStream(input, 5), fields)).Read);
            Assert.Equal(text, Outcome(() => AllOf(new MemoryStream(Bgzip.File(input, 100)), fields)).Read);
            return text ?? throw new InvalidDataException(refused!.Message, refused);
        })
    { Named = "x", Memory = (16 << 20, 600) };

    private static string AllOf(Stream stream, string[] fields)
    {
        using VariantReader reader = VariantReader.Open(stream, "x", fields: fields);
        var text = new StringBuilder();
        foreach ((string name, long length) in reader.Contigs) text.Append(name).Append(length).Append('\n');
        while (reader.TryRead(out Variant? variant)) text.Append(variant).AppendJoin('|', variant.Fields).Append('\n');
        return text.ToString();
    }
}
