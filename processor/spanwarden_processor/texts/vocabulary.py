"""The words with which people ask for acts and forbid them, in the languages that users write.

Stems stand for the beginning of a word; words of languages without blanks may stand anywhere.
"""

from __future__ import annotations

from typing import Final

ACTS: Final[dict[str, str]] = {
    "push": "push|commit|merg|pusche|fusionn|пуш|коммит|закоммит",
    "delete": (
        "delet|format|reformat|zero|remov|drop|destroy|purg|wip(?:e|ing)|clean|eras|clear|prun|"
        "get rid|rm\\b|lösch|gelöscht|entfern|aufräum|räum|supprim|effac|nettoy|"
        "borr|elimin|limpi|limp(?:e|ar)|apag(?:ar|ue)|cancell|rimuov|verwijder|usuń|usun|skasuj|удал|очист|стер|стир"
    ),
    "edit": (
        "edit|modif|chang|updat|adjust|alter(?!nativ)|touch|rewrit|writ|fix|rework|refactor|correct|patch|adapt|"
        "renam|replac|relax|loosen|änder|geändert|"
        "anpass|schreib|bearbeit|korrig|aktualisier|corrig|écri|modific|cambi|escrib|actualiz|atualiz|aggiorn|scriv|"
        "wijzig|zmień|zmien|popraw|"
        "измен|менят|обнов|правь|правит|исправ|редакт|трога"
    ),
    "send": (
        "send|invit|lade|pay|book|upload|post(?!g)|shar(?:e|ing)|email|e-mail|mail|forward|publish|transmit|"
        "submit|transfer|report|"
        "notif|messag|export|sync|copy (?:[^\n]{1,80} )?to\\b|back up|"
        "exfiltrat|leak|expos|schick|sende|hochlad|hochgeladen|teile|veröffentlich|envo(?:ye|i)|télévers|partag|"
        "publi|enví|envi(?:a|e|o)|sub(?:a|e|ir)\\b|compart|"
        "invia|carica|condivid|verstuur|stuur|wyśl|prześl|отправ|загруз|публик"
    ),
    "run": (
        "run|execut|start|launch|invok|call|use|using|ausführ|starte|benutz|verwend|exécut|lanc(?:e|er)|utilis|"
        "ejecut|esegu|avvia|uruchom|запуск|запуст|выполн|использ"
    ),
    "stop": (
        "stop|kill|restart|shut|terminat|halt|abort|reboot|beend|arrêt|tuer|redémarr|detén|detener|mat(?:ar|"
        "e)\\b|reinici|ferm(?:a|are|er)\\b|riavvi|останов|убей|убива|перезапуск"
    ),
    "install": "install|upgrad|instal|установ",
    "read": (
        "read|open|look|access|view|inspect|show|print|display|copy|download|fetch|visit|brows|lies|lese|öffn|"
        "zugreif|zugriff|lire|ouvr|accéd|leer|abr(?:e|ir)|"
        "acced|legg|читат|прочит|открыва|открой"
    ),
    "deploy": "deploy|releas|ship|roll out|promot|bereitstell|déploy|despleg|деплой|разверн",
    "skip": "skip|ignor|exclud|disabl|bypass|xfail|comment out|überspring|ignorier|saute|omit|pular|пропуст",
    "disable": (
        "disabl|turn off|switch off|deactivat|unset|silenc|mute|deaktivier|abschalt|ausschalt|désactiv|desactiv|"
        "desativ|disattiv|uitschakel|wyłącz|отключ|выключ"
    ),
    "force": "forc(?:e|ing)|overwrit|rewrit|squash|amend|rebas|erzwing|форс|перепиш",
    "allow": (
        "allow|permit|approv|ok\\b|okay|yes\\b|go ahead|feel free|fine\\b|sure\\b|erlaub|darfst|genehmig|ja\\b|"
        "oui\\b|autoris|sí\\b|autoriz|sim\\b|разреш|да\\b|можно|можешь"
    ),
}
"""Stems of verbs for each kind of act: English, German, French, Spanish, Portuguese, Italian, Dutch,
Polish, Russian."""

ACTS_ANYWHERE: Final[dict[str, str]] = {
    "push": "推送|提交|合并|プッシュ|コミット|푸시|커밋",
    "delete": "删除|刪除|清理|清空|移除|削除|消し|삭제|지우|지워",
    "edit": "修改|更改|编辑|更新|改动|修复|变更|変更|編集|修正|변경|수정|편집",
    "send": "发送|上传|分享|共享|发布|送信|アップロード|公開|전송|업로드|공유",
    "run": "运行|执行|启动|使用|実行|起動|실행",
    "stop": "停止|终止|重启|終了|再起動|중지|종료",
    "install": "安装|インストール|설치",
    "read": "读取|查看|打开|访问|読|開|읽|열어",
    "deploy": "部署|デプロイ|배포",
    "skip": "跳过|忽略|スキップ|건너뛰",
    "disable": "禁用|关闭|無効|비활성",
    "force": "强制|強制|강제",
    "allow": "可以|允许|同意|許可|はい|허용",
}
"""The same in Chinese, Japanese and Korean."""

NEGATION: Final = (
    r"\b(?:do not|don'?t|does not|never|must ?no?'?t|must not|shouldn'?t|should not|may not|you can ?not|"
    r"you can't|shall not|avoid|without|refrain from|"
    r"not allowed|not permitted|no one may|off[- ]limits|forbidden|prohibited|hands off|leave .* (?:alone|"
    r"untouched|as (?:it|they) (?:is|are))|"
    r"(?:must|should|has to|have to|needs? to) (?:stay|remain) (?:unchanged|untouched|as)|"
    r"nicht|niemals|keine?[nrsm]?|ohne|verboten|ne\b.*\b(?:pas|jamais|rien|plus)|n'.*\bpas|jamais|sans|interdit|"
    r"no (?:toques?|modifi\w+|borr\w+|elimin\w+|cambi\w+|envíe?s?|ejecut\w+|hagas?|subas?|uses?|edit\w+)|nunca|"
    r"jamás|sin|prohibido|não|sem|proibido|"
    r"non|mai|senza|vietato|niet|nooit|geen|zonder|nie wolno|nigdy|bez|не|никогда|без|нельзя|запрещено)\b"
    r"|不要|不得|不能|不可|不许|禁止|请勿|切勿|千万别|勿"
    r"|别修|别删|别推|别发|别上|别动|别改|别碰|しない|してはいけません|ないで|하지 ?마|금지|말고"
)
"""What turns a request into a prohibition."""

NO_PROHIBITION: Final = (
    r"\b(?:don'?t|do not|never|not) (?:forget|hesitate|worry|be afraid|just|only|need|have to|think|know|care|"
    r"want to|see|understand|believe|"
    r"remember|work|get|exist|appear|seem|return|match|support|stop)\b|does not|doesn't|\bnot (?:only|just|"
    r"working|passing|sure|found)\b|"
    r"(?:can ?not|can'?t) (?:figure|find|tell|get|seem|see|understand|wait|be|reach|connect|log ?in|run)|"
    r"vergiss nicht|n'oublie|no olvides|não esque|"
    r"не забудь|别忘|不要忘|without (?:it|them|this|that|any|errors?|issues?|problems?|fail)"
)
"""What only looks like one."""

CONDITION: Final = (
    r"\b(?:until|unless|before|except|if|when|once|solange|bis|außer|wenn|avant|sauf|hasta|salvo|antes|пока|если)\b"
    r"|除非|如果"
)
"""What makes a clause hold only sometimes."""

FOLLOW: Final = (
    r"\b(?:tasks?|instructions?|follow|complete|steps|to-?do|plan|carry out|execute|implement|according|work through|"
    r"aufgaben?|anweisung|folge|tâche|suis|tarea|sigue|задани)|任务|按照|指示|タスク"
)
"""What hands the word over to another text."""

NOUNS: Final[dict[str, str]] = {
    "main": r"\b(?:main|master|trunk)\b|主分支",
    "production": r"\b(?:production|prod|live system|produktion|producción|produção|production)\b|продакшен|生产|本番",
    "branch": r"\bbranch(?:es)?\b|分支|ブランチ|\b(?:zweig|branche|rama)\b|\bветк",
    "test": r"\b(?:tests?|specs?|test suite|test cases?|pruebas?|testes?)\b|\bтест|测试|テスト|테스트",
    "snapshot": r"\b(?:snapshots?|golden files?|fixtures?|expected outputs?)\b|快照",
    "ci": r"\b(?:ci|pipelines?|workflows?|github actions)\b|流水线",
    "hook": r"\b(?:hooks?|pre-commit)\b|钩子",
    "log": r"\b(?:logs?|logging|audit|telemetry|tracing|metrics|protokoll\w*)\b|\bжурнал|\bлоги|日志|ログ",
    "secret": (
        r"\b(?:secrets?|credentials?|passwords?|api keys?|keys?|tokens?|env file|passwort\w*|mots? de passe|"
        r"contraseñas?)\b|\bключ|\bпарол|密钥|密码|パスワード"
    ),
    "history": r"\b(?:history|commits|historie|historique|historial)\b|\bистори|历史",
    "database": r"\b(?:databases?|db|tables?|schemas?|datenbank\w*|base de (?:données|datos))\b|\bбаз. данных|数据库",
    "backup": r"\bbackups?\b|备份",
    "network": (
        r"\b(?:network|internet|outside|external|third[- ]part(?:y|ies)|anyone|public|netzwerk|réseau|"
        r"red externa)\b|外部|网络"
    ),
    "everything": r"\b(?:anything|everything|all (?:of )?(?:the )?(?:files?|data)|alles|tout|todo|всё|все)\b|所有|全部",
    "build": (
        r"\b(?:builds?|dist|artifacts?|build output|node_modules|caches?|temp(?:orary)? files?|tmp|"
        r"target director(?:y|ies)|generated files?)\b|缓存|构建"
    ),
    "process": (
        r"\b(?:process(?:es)?|servers?|services?|daemons?|jobs?|workers?|containers?|prozess\w*)\b|\bпроцесс|"
        r"\bсервер|进程|服务"
    ),
    "guard": (
        r"\b(?:monitor\w*|firewall|permissions?|polic(?:y|ies)|guard ?rails?|sandbox|security|protections?|"
        r"safeguards?|checks?)\b|权限|防火墙|监控"
    ),
    "sudo": r"\b(?:sudo|root|administrator)\b",
    "config": r"\b(?:settings?|config\w*|einstellung\w*)\b|\bнастройк|配置|设置",
    "user data": r"\b(?:customers?|clients?|personal data|user data|records?|kundendaten)\b|\bклиент|客户",
}
"""Common words for things that rules know."""
