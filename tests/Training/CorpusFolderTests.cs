using Dnabert2.Data;
using Dnabert2.Training;

namespace Tests.Training;

/// <summary>The folder of a corpus: whose it is, built once, whole or none, and what is damaged in it is found.</summary>
public sealed class CorpusFolderTests : IDisposable
{
    private readonly Toy _toy = new();

    public void Dispose() => _toy.Dispose();

    [Fact]
    public void One_input_gives_the_same_bytes_and_is_not_built_again()
    {
        _toy.Build().Dispose();
        _toy.Build(name: "again").Dispose();
        Assert.Equal(Toy.Files(_toy["corpus"]), Toy.Files(_toy["again"]));
        DateTime before = File.GetLastWriteTimeUtc(_toy["corpus/corpus.json"]);
        _toy.Build().Dispose();
        Assert.Equal(before, File.GetLastWriteTimeUtc(_toy["corpus/corpus.json"]));
        Assert.Equal(["again", "alpha.fa", "beta.fa", "corpus"], _toy.Names);
    }

    [Fact]
    public void The_marker_of_a_build_that_was_killed_at_its_very_end_is_removed_and_a_held_one_is_not()
    {
        _toy.Build().Dispose();
        string marker = Path.Combine(_toy["corpus"], RunFolder.MarkerFile);
        foreach (bool whole in (bool[])[true, false])
        {
            if (whole) Mark(marker);
            else File.WriteAllText(marker, "");
            _toy.Build().Dispose();
            Assert.False(File.Exists(marker));
        }

        Mark(marker);
        using var other = new FileStream(marker, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.Contains("another process", Assert.Throws<IOException>(() => _toy.Build()).Message, StringComparison.Ordinal);
        Assert.True(File.Exists(marker));
    }

    [Fact]
    public void A_changed_file_option_or_tokenizer_is_said_with_the_way_out()
    {
        _toy.Build().Dispose();
        Refused(() => _toy.Build(Toy.Cuts with { MaxBases = 121 }), "MaxBases = 120");
        Refused(() => _toy.Build(Toy.Cuts with { RepeatBases = 0 }), "RepeatBases = 32");
        Refused(() => CorpusBuilder.Build(_toy["corpus"], _toy.Sources, Toy.TrainTokenizer(60), Toy.Cuts), "another tokenizer");
        Refused(() => CorpusBuilder.Build(_toy["corpus"], [_toy.Sources[0]], Toy.Tokenizer, Toy.Cuts), "2 files, not 1");
        Refused(() => CorpusBuilder.Build(
            _toy["corpus"], [_toy.Sources[0], new("gamma", _toy["beta.fa"])], Toy.Tokenizer, Toy.Cuts), "'beta', not 'gamma'");
        File.AppendAllText(_toy["beta.fa"], "ACGT\n");
        Refused(() => _toy.Build(), "beta.fa differs from the file");

        static void Refused(Func<Corpus> build, string why)
        {
            string message = Assert.Throws<InvalidDataException>(build).Message;
            Assert.Contains(why, message, StringComparison.Ordinal);
            Assert.Contains("name another folder", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_a_killed_building_has_left_is_replaced_and_one_at_work_is_not_disturbed()
    {
        SortedDictionary<string, byte[]> expected;
        using (Corpus corpus = _toy.Build(name: "whole")) expected = Toy.Files(_toy["whole"]);
        string marker = Path.Combine(_toy["corpus"], RunFolder.MarkerFile);
        Directory.CreateDirectory(_toy["corpus"]);
        Mark(marker);
        _toy.Write("corpus/shard-00000.bin", "half");
        _toy.Write("corpus/shard-00077.bin", "half");
        _toy.Write("corpus/tokenizer.json", "{");
        using (var other = new FileStream(marker, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
            Assert.Contains("another process", Assert.Throws<IOException>(() => _toy.Build()).Message, StringComparison.Ordinal);
        Assert.True(File.Exists(_toy["corpus/shard-00077.bin"]));
        _toy.Build().Dispose();
        Assert.Equal(expected, Toy.Files(_toy["corpus"]));
    }

    [Fact]
    public void Files_and_folders_beside_a_corpus_and_in_its_folder_are_left()
    {
        foreach (string other in (string[])["corpus.tmp/x", "corpus.lock", ".corpus/x"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_toy[other])!);
            _toy.Write(other, "precious");
        }

        _toy.Build().Dispose();
        Assert.All(["corpus.tmp/x", "corpus.lock", ".corpus/x"], other => Assert.Equal("precious", File.ReadAllText(_toy[other])));
        foreach (string other in (string[])["shard-00000.bin", "tokenizer.json", "notes", ".git", RunFolder.MarkerFile])
        {
            Directory.CreateDirectory(_toy["mine"]);
            _toy.Write("mine/" + other, "precious");
            Assert.ThrowsAny<SystemException>(() => _toy.Build(name: "mine"));
            Assert.Equal("precious", File.ReadAllText(_toy["mine/" + other]));
            Directory.Delete(_toy["mine"], recursive: true);
        }

        // Even where a killed build has left its marker.
        Directory.CreateDirectory(_toy["mine"]);
        Mark(Path.Combine(_toy["mine"], RunFolder.MarkerFile));
        _toy.Write("mine/notes", "precious");
        _toy.Write("mine/shard-00000.bin", "half");
        Assert.Contains("holds notes", Assert.Throws<IOException>(() => _toy.Build(name: "mine")).Message, StringComparison.Ordinal);
        Assert.Equal("half", File.ReadAllText(_toy["mine/shard-00000.bin"]));
    }

    [Fact]
    public void A_building_that_fails_or_is_interrupted_leaves_nothing()
    {
        _toy.Write("beta.fa", $">r\n{Toy.Bases(5, 3000)}\nAC?GT\n");
        Assert.Throws<InvalidDataException>(() => _toy.Build());
        foreach (bool comparing in (bool[])[false, true])
        {
            using var source = new CancellationTokenSource();
            var stop = new Report<CorpusProgress>(p => { if (p.Comparing == comparing) source.Cancel(); });
            Assert.Throws<OperationCanceledException>(
                () => CorpusBuilder.Build(_toy["corpus"], [_toy.Sources[0]], Toy.Tokenizer, Toy.Cuts, stop, source.Token));
            Assert.Equal(["alpha.fa", "beta.fa"], _toy.Names);
        }

        Directory.CreateDirectory(_toy["corpus"]);
        _toy.Write("corpus/other", "x");
        Assert.Contains(
            "holds other, which is not of a corpus", Assert.Throws<IOException>(() => _toy.Build()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_cut_or_altered_file_is_found_on_opening()
    {
        _toy.Build().Dispose();
        foreach ((string name, byte[] bytes) in Toy.Files(_toy["corpus"]))
        {
            string path = Path.Combine(_toy["corpus"], name);
            byte[] altered = [.. bytes];
            altered[bytes.Length / 2] ^= 1;
            foreach (byte[] damage in (byte[][])[[.. bytes.SkipLast(2)], altered, []])
            {
                // Another index may be as good as this one; what it says of the shards has to be true.
                if (name == "corpus.json" && damage == altered) continue;
                File.WriteAllBytes(path, damage);
                Assert.Contains(
                    name, Assert.Throws<InvalidDataException>(() => Corpus.Open(_toy["corpus"])).Message, StringComparison.Ordinal);
            }

            File.Delete(path);
            Assert.ThrowsAny<IOException>(() => Opened(_toy["corpus"]));
            File.WriteAllBytes(path, bytes);
        }

        Corpus.Open(_toy["corpus"]).Dispose();

        static void Opened(string folder)
        {
            try
            {
                Corpus.Open(folder).Dispose();
            }
            catch (InvalidDataException e)
            {
                throw new IOException("as it should be", e);
            }
        }
    }

    [Fact]
    public void A_shard_made_to_fit_its_index_is_still_checked()
    {
        _toy.Build().Dispose();
        string shard = _toy["corpus/shard-00000.bin"], index = _toy["corpus/corpus.json"];
        byte[] bytes = File.ReadAllBytes(shard);
        string was = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes)), json = File.ReadAllText(index);
        foreach ((int at, byte value) in (ReadOnlySpan<(int, byte)>)[(0, 0), (8, 1), (16, 1), (20, 0xFF), (bytes.Length - 1, 0xFF)])
        {
            byte[] forged = [.. bytes];
            forged[at] = value;
            File.WriteAllBytes(shard, forged);
            File.WriteAllText(
                index, json.Replace(
                    was, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(forged)), StringComparison.Ordinal));
            Assert.Contains(
                "does not hold", Assert.Throws<InvalidDataException>(() => Corpus.Open(_toy["corpus"])).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void An_index_of_any_bytes_is_read_or_refused_as_invalid()
    {
        _toy.Build().Dispose();
        string index = _toy["corpus/corpus.json"];
        byte[] good = File.ReadAllBytes(index);
        var random = new Random(1);
        for (int round = 0; round < 400; round++)
        {
            byte[] bad = [.. good];
            for (int i = random.Next(1, 4); i > 0; i--) bad[random.Next(bad.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(index, bad);
            Try();
        }

        foreach (string text in (string[])["[]", "{\"format\":\"\\uD800\"}", "{\"\\uD800\":1}",
            "{\"format\":\"dnabert2-corpus\",\"version\":1e99}"])
        {
            File.WriteAllText(index, text);
            Try();
        }

        void Try()
        {
            try
            {
                Corpus.Open(_toy["corpus"]).Dispose();
            }
            catch (InvalidDataException e)
            {
                Assert.Contains(_toy["corpus"], e.Message, StringComparison.Ordinal);
            }
        }
    }

    // As a build leaves it when it is killed.
    private static void Mark(string marker) => File.WriteAllText(
        marker, """{"format":"dnabert2-run","version":1,"kind":"corpus","names":["shard-*.bin","tokenizer.json","corpus.json"]}""");
}
